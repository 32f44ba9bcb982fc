//! The configuration: read from its layers, each value with the place it came from, and checked as a whole
//! before anything is started by it.

mod checks;
mod explain;
mod layers;
mod settings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_domain::time::Period;

pub(crate) use checks::{Finding, Weight};
use explain::Line;
pub(crate) use layers::variable_name;
pub(crate) use settings::{
    Dialect, EgressSettings, Form, KeeperLimits, LimitSettings, LogFormat, LogSettings, SECTIONS, SecretUrl,
    Section, Setting, Sharing, UsageSettings,
};

use settings::Settings;

/// The file that is read from the working folder if no other is named.
pub(crate) const DEFAULT_FILE: &str = "claviger.toml";

/// What the settings come to: nothing is left open, and nothing contradicts.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) data_dir: PathBuf,
    pub(crate) database_url: SecretUrl,
    pub(crate) listen: SocketAddr,
    pub(crate) gateway_listen: SocketAddr,
    pub(crate) ext_authz_listen: SocketAddr,
    pub(crate) metrics_listen: SocketAddr,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) node_name: Option<String>,
    pub(crate) doors: DoorSettings,
    pub(crate) gateway: GatewayOptions,
    pub(crate) egress: EgressSettings,
    pub(crate) keeper: KeeperLimits,
    pub(crate) sharing: Sharing,
    pub(crate) limits: LimitSettings,
    pub(crate) usage: UsageSettings,
    pub(crate) log: LogSettings,
}

/// How the doors treat those who knock.
#[derive(Debug)]
pub(crate) struct DoorSettings {
    pub(crate) trusted: Vec<ipnet::IpNet>,
    pub(crate) dialect: Dialect,
    pub(crate) failures_per_minute: u32,
    pub(crate) max_staleness: Period,
}

/// How the gateway passes calls on.
#[derive(Debug)]
pub(crate) struct GatewayOptions {
    pub(crate) environment: Option<String>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) upstream_ca_file: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) idle_timeout: Duration,
}

/// What is read and from where, before it is known to be good.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The file named on the command line or by `CLAVIGER_CONFIG`.
    pub(crate) file: Option<PathBuf>,
    pub(crate) variables: BTreeMap<String, String>,
    /// Flags that were given, by the name of the setting.
    pub(crate) flags: Vec<(&'static str, String)>,
}

/// A configuration with the story of each value.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) configuration: Configuration,
    pub(crate) findings: Vec<Finding>,
    /// Every setting with its value and the place it came from; secrets masked.
    pub(crate) lines: Vec<Line>,
    /// The file that was read, if there was one.
    pub(crate) file: Option<PathBuf>,
}

/// The sentences that say what can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct Unreadable(Vec<String>);

impl Sources {
    /// Reads all layers. What does not fit its type is an error; what fits but is unwise or contradicts is a
    /// finding.
    pub(crate) fn read(self) -> Result<Explained, Unreadable> {
        let mut figment = layers::defaults();
        let named = self.file.or_else(|| self.variables.get("CLAVIGER_CONFIG").map(PathBuf::from));
        let file = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
        if let Some(file) = &file {
            figment = layers::add_file(figment, file).map_err(|error| Unreadable(vec![error]))?;
        }
        figment = layers::add_variables(figment, &self.variables).map_err(Unreadable)?;
        for (setting, text) in &self.flags {
            figment = layers::add_flag(figment, setting, text);
        }
        let settings: Settings = figment
            .extract()
            .map_err(|error| Unreadable(error.into_iter().map(|error| sentence(&error)).collect()))?;
        let configuration = Configuration::from(settings);
        let findings = checks::all(&configuration, file.as_deref());
        let lines = explain::lines(&figment, &configuration);
        Ok(Explained { configuration, findings, lines, file })
    }
}

impl Explained {
    /// The findings that forbid to start.
    pub(crate) fn errors(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.weight == Weight::Error).collect()
    }
}

impl From<Settings> for Configuration {
    fn from(settings: Settings) -> Self {
        let data_dir = settings.data_dir;
        let doors = settings.doors;
        Self {
            database_url: settings.database_url.unwrap_or_else(|| embedded_database(&data_dir)),
            public_url: settings
                .public_url
                .unwrap_or_else(|| format!("http://{}", settings.listen))
                .trim_end_matches('/')
                .to_owned(),
            listen: settings.listen,
            gateway_listen: settings.gateway_listen,
            ext_authz_listen: settings.ext_authz_listen,
            metrics_listen: settings.metrics_listen,
            master_key_file: settings.master_key_file,
            node_name: settings.node_name,
            doors: DoorSettings {
                trusted: doors.trusted,
                dialect: doors.dialect,
                failures_per_minute: doors.failures_per_minute,
                max_staleness: doors.max_staleness,
            },
            gateway: GatewayOptions::from(settings.gateway),
            egress: settings.egress,
            keeper: settings.keeper,
            sharing: settings.sharing,
            limits: settings.limits,
            usage: settings.usage,
            log: settings.log,
            data_dir,
        }
    }
}

impl From<settings::Gateway> for GatewayOptions {
    fn from(settings: settings::Gateway) -> Self {
        let duration = |period: Period| {
            Duration::from_secs(u64::try_from(period.shortest_seconds()).unwrap_or_default())
        };
        Self {
            environment: settings.environment,
            certificate_file: settings.certificate_file,
            key_file: settings.key_file,
            upstream_ca_file: settings.upstream_ca_file,
            connect_timeout: duration(settings.connect_timeout),
            answer_timeout: duration(settings.answer_timeout),
            idle_timeout: duration(settings.idle_timeout),
        }
    }
}

fn embedded_database(data_dir: &Path) -> SecretUrl {
    SecretUrl::new(format!("sqlite:{}", data_dir.join("claviger.db").display()))
}

fn sentence(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let from = error.metadata.as_ref().map(|metadata| metadata.name.to_string());
    let mut text = if key.is_empty() { error.kind.to_string() } else { format!("{key}: {}", error.kind) };
    if let Some(from) = from {
        text.push_str(&format!(" (from {from})"));
    }
    text
}

#[cfg(test)]
mod tests;
