//! What contradicts itself or is unwise in a configuration, with the way to mend it.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use claviger_limits::Shared;
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::{Configuration, GatewayOptions, KeeperLimits, UsageSettings};

/// Whether a finding forbids to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Weight {
    Error,
    Warning,
}

/// Something to mend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    /// What it is about: a setting, a file, a part of the set-up.
    pub(crate) about: String,
    /// What is wrong, and how to mend it.
    pub(crate) detail: String,
}

impl Finding {
    pub(crate) fn error(about: &str, detail: impl Into<String>) -> Self {
        Self { weight: Weight::Error, about: about.to_owned(), detail: detail.into() }
    }

    pub(crate) fn warning(about: &str, detail: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, about: about.to_owned(), detail: detail.into() }
    }
}

/// All findings about the configuration itself; nothing is opened; files are only looked for.
pub(super) fn all(configuration: &Configuration, file: Option<&Path>) -> Vec<Finding> {
    let mut findings = Vec::new();
    addresses(configuration, &mut findings);
    origins(configuration, &mut findings);
    exposure(configuration, &mut findings);
    values(configuration, &mut findings);
    if let Some(file) = file {
        file_mode(configuration, file, &mut findings);
    }
    findings
}

/// Two doors can't share an address, also those that do not exist yet.
fn addresses(configuration: &Configuration, findings: &mut Vec<Finding>) {
    let doors = [
        ("listen", configuration.listen),
        ("gateway_listen", configuration.gateway_listen),
        ("ext_authz_listen", configuration.ext_authz_listen),
        ("metrics_listen", configuration.metrics_listen),
    ];
    for (at, (name, address)) in doors.iter().enumerate() {
        for (other, taken) in &doors[..at] {
            if collide(*address, *taken) {
                let detail =
                    format!("{address} is also the address of `{other}`: give each a port of its own");
                findings.push(Finding::error(name, detail));
            }
        }
    }
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let any = |address: SocketAddr| address.ip().is_unspecified();
    // Port 0 asks the system for any that is free.
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || any(one) || any(other))
}

/// The console's cookies and the upstreams' pages must never meet (design: one origin each).
fn origins(configuration: &Configuration, findings: &mut Vec<Finding>) {
    let url = &configuration.public_url;
    let Some((scheme, host, port)) = split_origin(url) else {
        let detail =
            format!("{url} must begin with http:// or https:// and have a host, and neither user, ? nor #");
        findings.push(Finding::error("public_url", detail));
        return;
    };
    let gateway = configuration.gateway_listen;
    let same_host = host.parse::<IpAddr>().map_or(host == "localhost" && gateway.ip().is_loopback(), |ip| {
        ip == gateway.ip() || gateway.ip().is_unspecified()
    });
    // Port 0 asks the system for any that is free.
    if port != 0 && port == gateway.port() && same_host {
        let detail = format!(
            "{url} is the origin of the gateway ({gateway}): console and gateway never share one, or an \
             upstream's page could act as the person signed in; give them different ports or names"
        );
        findings.push(Finding::error("public_url", detail));
    }
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if scheme == "http" && !loopback {
        let detail = format!("{url} sends service keys in the clear: put TLS in front and say https://");
        findings.push(Finding::warning("public_url", detail));
    }
}

/// Scheme, host without brackets, port.
fn split_origin(url: &str) -> Option<(&str, &str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let standard = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split('/').next()?;
    if rest.contains(['?', '#', '@', ' ', '\\']) || authority.is_empty() {
        return None;
    }
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        let port = if after.is_empty() { standard } else { after.strip_prefix(':')?.parse().ok()? };
        return Some((scheme, host, port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((scheme, host, port.parse().ok()?)),
        None => Some((scheme, authority, standard)),
    }
}

/// Doors that are open to more than they need.
fn exposure(configuration: &Configuration, findings: &mut Vec<Finding>) {
    for network in &configuration.doors.trusted {
        if network.prefix_len() == 0 {
            let detail = format!(
                "{network} is everybody: anyone could say where a call comes from and ask forward-auth; \
                 name your proxies' addresses"
            );
            findings.push(Finding::error("doors.trusted", detail));
        } else if *network != network.trunc() {
            let (meant, one) = (network.trunc(), IpNet::from(network.addr()));
            let detail =
                format!("{network} names one address and a whole network: write {meant}, or {one} alone");
            findings.push(Finding::error("doors.trusted", detail));
        }
    }
    if !configuration.listen.ip().is_loopback() {
        let detail = format!(
            "{} can be reached from outside, and speaks no TLS: keep it where only your proxy reaches it",
            configuration.listen
        );
        findings.push(Finding::warning("listen", detail));
    }
    if !configuration.metrics_listen.ip().is_loopback() {
        let detail = format!(
            "{} can be reached from outside, and /metrics asks for no key: keep it where only your \
             monitoring reaches it",
            configuration.metrics_listen
        );
        findings.push(Finding::warning("metrics_listen", detail));
    }
}

/// Values that have the right type and make no sense.
fn values(configuration: &Configuration, findings: &mut Vec<Finding>) {
    let url = configuration.database_url.expose();
    if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        findings.push(Finding::error("database_url", "must begin with sqlite: or postgres://"));
    }
    let doors = &configuration.doors;
    if doors.failures_per_minute == 0 {
        findings.push(Finding::error("doors.failures_per_minute", "must be at least 1"));
    }
    if doors.max_staleness.is_zero() {
        findings.push(Finding::error("doors.max_staleness", "must be longer than nothing, such as PT1H"));
    }
    gateway(&configuration.gateway, findings);
    if let Some(url) = &configuration.limits.redis_url
        && let Err(error) = Shared::new(url.expose())
    {
        findings.push(Finding::error("limits.redis_url", error.to_string()));
    }
    ceilings(&configuration.keeper, findings);
    usage(&configuration.usage, findings);
    log_filter(&configuration.log.filter, findings);
    if let Some(file) = configuration.master_key_file.as_deref().filter(|file| !file.exists()) {
        let detail = format!(
            "{} does not exist, and a named file is never made by Claviger: correct the name, or put your copy \
             there",
            file.display()
        );
        findings.push(Finding::error("master_key_file", detail));
    }
    if let Some(name) = &configuration.node_name
        && claviger_domain::text::Name::new(name).is_err()
    {
        findings.push(Finding::error("node_name", "must be 1 to 100 characters of ordinary text"));
    }
}

/// An impact counts the calls of a day by the minute; and what is kept for longer is kept more coarsely.
/// A ceiling for one actor that lies above the one for all is not what its number says.
fn ceilings(keeper: &KeeperLimits, findings: &mut Vec<Finding>) {
    for (own, all, setting, binding) in [
        (
            keeper.opens_per_actor_per_hour,
            keeper.opens_per_hour,
            "keeper.opens_per_actor_per_hour",
            "keeper.opens_per_hour",
        ),
        (
            keeper.git_signatures_per_actor_per_hour,
            keeper.git_signatures_per_hour,
            "keeper.git_signatures_per_actor_per_hour",
            "keeper.git_signatures_per_hour",
        ),
        (
            keeper.jwt_signatures_per_actor_per_hour,
            keeper.jwt_signatures_per_hour,
            "keeper.jwt_signatures_per_actor_per_hour",
            "keeper.jwt_signatures_per_hour",
        ),
    ] {
        if own > all {
            let detail = format!("is more than `{binding}`, which binds all actors together");
            findings.push(Finding::warning(setting, detail));
        }
    }
}

fn usage(usage: &UsageSettings, findings: &mut Vec<Finding>) {
    if usage.keep_minutes.shortest_seconds() < 86_400 {
        findings.push(Finding::error("usage.keep_minutes", "must be at least P1D"));
    }
    for (setting, longer, kept, shorter) in [
        ("usage.keep_hours", &usage.keep_hours, "usage.keep_minutes", &usage.keep_minutes),
        ("usage.keep_days", &usage.keep_days, "usage.keep_hours", &usage.keep_hours),
    ] {
        if longer.shortest_seconds() < shorter.shortest_seconds() {
            findings.push(Finding::error(setting, format!("must be at least as long as `{kept}`")));
        }
    }
}

/// A word alone is a level, or the name of a part of the program, of which there then is every line.
fn log_filter(filter: &str, findings: &mut Vec<Finding>) {
    if let Err(error) = EnvFilter::try_new(filter) {
        let detail = format!("{error}: write a level such as `info`, or `warn,claviger_service=debug`");
        findings.push(Finding::error("log.filter", detail));
        return;
    }
    let words = filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '[']));
    for word in words.filter(|word| word.parse::<LevelFilter>().is_err()) {
        let detail = format!(
            "`{word}` is no level (error, warn, info, debug, trace, off), so it is taken for a part of the \
             program: write `info`, or `{word}=debug` if that part is meant"
        );
        findings.push(Finding::warning("log.filter", detail));
    }
}

fn gateway(options: &GatewayOptions, findings: &mut Vec<Finding>) {
    for (name, patience) in [
        ("gateway.connect_timeout", options.connect_timeout),
        ("gateway.answer_timeout", options.answer_timeout),
        ("gateway.idle_timeout", options.idle_timeout),
    ] {
        if patience.is_zero() {
            findings.push(Finding::error(name, "must be longer than nothing, such as PT5S"));
        }
    }
    if options.certificate_file.is_some() != options.key_file.is_some() {
        let detail = "a certificate needs its key and a key its certificate: set both files or neither";
        findings.push(Finding::error("gateway.certificate_file", detail));
    }
    if let Some(environment) = &options.environment
        && claviger_domain::text::Slug::new(environment).is_err()
    {
        findings.push(Finding::error("gateway.environment", "must be the slug of an Environment"));
    }
}

/// A file with a password in it is for its owner's eyes.
fn file_mode(configuration: &Configuration, file: &Path, findings: &mut Vec<Finding>) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let Ok(mode) = std::fs::metadata(file).map(|metadata| metadata.permissions().mode()) else { return };
    let urls = [
        ("database_url", "the database's", "CLAVIGER_DATABASE_URL_FILE", Some(&configuration.database_url)),
        (
            "limits.redis_url",
            "Redis's",
            "CLAVIGER_LIMITS__REDIS_URL_FILE",
            configuration.limits.redis_url.as_ref(),
        ),
    ];
    for (setting, whose, variable, url) in urls {
        let held = url.filter(|url| url.masked().contains(":***@") && text.contains(url.expose()));
        if held.is_some() && mode & 0o077 != 0 {
            let detail = format!(
                "{} holds {whose} password and can be read by others: `chmod 600 {0}`, or set {variable}",
                file.display()
            );
            findings.push(Finding::warning(setting, detail));
        }
    }
}
