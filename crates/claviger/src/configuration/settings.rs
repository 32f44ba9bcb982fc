//! Every setting: its name, type, default and meaning, once. The structs that are read, the defaults, the
//! variables' names and docs/configuration.md all come from here.

use std::net::SocketAddr;
use std::path::PathBuf;

use claviger_domain::secret::Plaintext;
use claviger_domain::time::Period;
use ipnet::IpNet;
use serde::Deserialize;

/// How a setting is written; decides how a variable's text is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Path,
    Address,
    Number,
    /// In a variable: separated by commas.
    List,
    Choice(&'static [&'static str]),
    /// Shown to no one; its variable has a `_FILE` variant.
    Secret,
}

/// One setting, described.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// As TOML writes it; empty if there is none.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static [&'static str],
}

/// The settings under one heading of the file; the first section has none.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) settings: &'static [Setting],
}

impl Section {
    /// The setting's full name, such as `doors.trusted`.
    pub(crate) fn key(&self, setting: &Setting) -> String {
        if self.name.is_empty() { setting.name.to_owned() } else { format!("{}.{}", self.name, setting.name) }
    }
}

macro_rules! section {
    ($(#[doc = $about:literal])+ $struct:ident {
        $($(#[doc = $meaning:literal])+ $name:ident: $type:ty, $form:expr, $default:literal;)+
    } $({ $($(#[doc = $inner_about:literal])+ $inner:ident: $inner_type:ty,)+ })?) => {
        $(#[doc = $about])+
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $struct {
            $($(#[doc = $meaning])+ pub(crate) $name: $type,)+
            $($($(#[doc = $inner_about])+ pub(crate) $inner: $inner_type,)+)?
        }

        impl $struct {
            const SETTINGS: &[Setting] = &[
                $(Setting {
                    name: stringify!($name),
                    form: $form,
                    default: $default,
                    meaning: &[$($meaning),+],
                },)+
            ];
        }
    };
}

section! {
    /// All settings as they are written.
    Settings {
        /// The folder of the embedded database, the keeper's files and the snapshot. It is made with mode
        /// 0700 if it is missing.
        data_dir: PathBuf, Form::Path, "\"./claviger-data\"";
        /// Where the data is: `sqlite:FILE` or `postgres://user:password@host/database`. Left out: SQLite,
        /// in the file `claviger.db` of `data_dir`.
        database_url: Option<SecretUrl>, Form::Secret, "";
        /// Where console, REST API and forward-auth listen.
        listen: SocketAddr, Form::Address, "\"127.0.0.1:7700\"";
        /// Where the built-in gateway listens: `/{api}/…` goes to the API's upstream if it may.
        gateway_listen: SocketAddr, Form::Address, "\"127.0.0.1:7701\"";
        /// Where Envoy's external authorization listens (gRPC).
        ext_authz_listen: SocketAddr, Form::Address, "\"127.0.0.1:7702\"";
        /// Where `/metrics` is, and nowhere else.
        metrics_listen: SocketAddr, Form::Address, "\"127.0.0.1:7703\"";
        /// How people and programs reach `listen` from outside: links are built from it, never from what a
        /// request says. Left out: `http://` and the address of `listen`.
        public_url: Option<String>, Form::Text, "";
        /// The file with the master key, mode 0600. Left out: `master.key` in
        /// `data_dir`, made on the first start.
        master_key_file: Option<PathBuf>, Form::Path, "";
        /// What this node is called in `/v1/nodes`. Left out: the name of the host.
        node_name: Option<String>, Form::Text, "";
    } {
        /// The doors' own.
        doors: Doors,
        /// The gateway's own.
        gateway: Gateway,
        /// What connections to others obey.
        egress: EgressSettings,
        /// The keeper's own.
        keeper: KeeperLimits,
        /// What is shared per API.
        sharing: Sharing,
        /// What limits how often calls may be made.
        limits: LimitSettings,
        /// What is counted about calls.
        usage: UsageSettings,
        /// The log's own.
        log: LogSettings,
    }
}

section! {
    /// How the doors treat those who knock.
    Doors {
        /// The proxies whose word about a caller's address is believed, and the only peers that forward-auth
        /// answers. Networks in CIDR notation.
        trusted: Vec<IpNet>, Form::List, "[\"127.0.0.0/8\", \"::1/128\"]";
        /// Which headers tell forward-auth about the original request: `forwarded` reads
        /// `X-Forwarded-Method`, `-Uri` and `-For` (Caddy, Traefik), `original` reads `X-Original-Method`
        /// and `X-Original-URI` (nginx).
        dialect: Dialect, Form::Choice(&["forwarded", "original"]), "\"forwarded\"";
        /// After how many failed attempts within a minute a source is told to slow down.
        failures_per_minute: u32, Form::Number, "120";
        /// For how long deciding goes on from memory while the log can't be reached; after that every call
        /// is refused as `stale`. An ISO 8601 duration.
        max_staleness: Period, Form::Text, "\"PT24H\"";
    }
}

section! {
    /// How the built-in gateway passes calls on.
    Gateway {
        /// The Environment that this gateway is for, by its slug: a credential of another is
        /// `wrong_environment`. Left out: the credential's own counts, and picks the upstreams.
        environment: Option<String>, Form::Text, "";
        /// The file with the certificate for TLS, and those that vouch for it, as PEM. It is read again when it
        /// changes. Left out: no TLS.
        certificate_file: Option<PathBuf>, Form::Path, "";
        /// The file with the certificate's private key, as PEM.
        key_file: Option<PathBuf>, Form::Path, "";
        /// A file with certificate authorities that upstreams are believed by, besides those of the system, as
        /// PEM.
        upstream_ca_file: Option<PathBuf>, Form::Path, "";
        /// How long an upstream may take to be connected to. An ISO 8601 duration.
        connect_timeout: Period, Form::Text, "\"PT5S\"";
        /// How long an upstream may take to begin its answer after the last piece of the call.
        answer_timeout: Period, Form::Text, "\"PT60S\"";
        /// How long nothing may move in an open call, such as a WebSocket or a stream of events, and an upstream take
        /// nothing of what it is sent.
        idle_timeout: Period, Form::Text, "\"PT5M\"";
    }
}

section! {
    /// What connections to addresses obey that others can choose.
    EgressSettings {
        /// Networks that may be reached although their kind is refused: link-local ones, for upstreams; for Git
        /// hosts private ones and this machine, too. Metadata services and Claviger's own addresses are refused all
        /// the same. Networks in CIDR notation.
        allow: Vec<IpNet>, Form::List, "[]";
    }
}

section! {
    /// Shared keys: given directly to a named customer of one API.
    Sharing {
        /// How many keys each of an API's two sections, inside and outside, may have. Disabled ones count.
        keys_per_section: u32, Form::Number, "5";
    }
}

section! {
    /// The keeper's ceilings on opening and signing, which survive its restarts.
    KeeperLimits {
        /// How many secrets one actor may have opened within an hour.
        opens_per_actor_per_hour: u32, Form::Number, "30";
        /// How many secrets all actors together may have opened within an hour.
        opens_per_hour: u32, Form::Number, "1000";
        /// How many sign-ins to Git hosts one actor may have signed within an hour.
        git_signatures_per_actor_per_hour: u32, Form::Number, "1000";
        /// How many sign-ins to Git hosts all actors together may have signed within an hour.
        git_signatures_per_hour: u32, Form::Number, "10000";
        /// How many JSON Web Tokens one actor may have signed within an hour.
        jwt_signatures_per_actor_per_hour: u32, Form::Number, "10000";
        /// How many JSON Web Tokens all actors together may have signed within an hour.
        jwt_signatures_per_hour: u32, Form::Number, "100000";
    }
}

section! {
    /// Rates and quotas, as several nodes count them.
    LimitSettings {
        /// The Redis (5 or newer) or Valkey through which nodes count rates and quotas together:
        /// `redis://user:password@host:port/number`, or `rediss://…` for TLS. Left out: each node counts by itself.
        redis_url: Option<SecretUrl>, Form::Secret, "";
    }
}

section! {
    /// For how long what is counted about calls is kept. ISO 8601 durations.
    UsageSettings {
        /// Counts by the minute; at least a day, which is how far an impact looks back.
        keep_minutes: Period, Form::Text, "\"P2D\"";
        /// Counts by the hour.
        keep_hours: Period, Form::Text, "\"P60D\"";
        /// Counts by the day.
        keep_days: Period, Form::Text, "\"P3Y\"";
        /// The last responses of each key at each API, a hundred at most.
        keep_responses: Period, Form::Text, "\"P7D\"";
    }
}

section! {
    /// What the program says about itself, on its error output.
    LogSettings {
        /// `human` for a terminal, `json` for programs: one object per line.
        format: LogFormat, Form::Choice(&["human", "json"]), "\"human\"";
        /// What is worth a line: `error`, `warn`, `info`, `debug`, `trace`, also by module, such as
        /// `info,claviger_service=debug`.
        filter: String, Form::Text, "\"info\"";
    }
}

/// All settings, in the order of the documentation.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "", settings: Settings::SETTINGS },
    Section { name: "doors", settings: Doors::SETTINGS },
    Section { name: "gateway", settings: Gateway::SETTINGS },
    Section { name: "egress", settings: EgressSettings::SETTINGS },
    Section { name: "keeper", settings: KeeperLimits::SETTINGS },
    Section { name: "sharing", settings: Sharing::SETTINGS },
    Section { name: "limits", settings: LimitSettings::SETTINGS },
    Section { name: "usage", settings: UsageSettings::SETTINGS },
    Section { name: "log", settings: LogSettings::SETTINGS },
];

/// Which headers forward-auth reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialect {
    Forwarded,
    Original,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Human,
    Json,
}

/// The address of a database or of Redis, which may hold a password.
#[derive(Debug, Clone)]
pub(crate) struct SecretUrl(Plaintext);

impl SecretUrl {
    pub(crate) fn new(url: String) -> Self {
        Self(Plaintext::new(url))
    }

    /// The whole address, with its password.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The address with stars in the place of a password, and of anything that is no address of a known kind: a
    /// password may stand anywhere in it.
    pub(crate) fn masked(&self) -> String {
        let without_query = |text: &str| text.split('?').next().unwrap_or(text).to_owned();
        let url = self.expose();
        let known = ["postgres", "postgresql", "redis", "rediss", "unix", "redis+unix", "sqlite"];
        match url.split_once("://").filter(|(scheme, _)| known.contains(scheme)) {
            Some((scheme, rest)) => match rest.rsplit_once('@') {
                Some((user, host)) => {
                    let name = user.split_once(':').map_or(user, |(name, _)| name);
                    let password = if user.contains(':') { ":***" } else { "" };
                    format!("{scheme}://{name}{password}@{}", without_query(host))
                }
                None => without_query(url),
            },
            None if url.starts_with("sqlite:") => without_query(url),
            None => "***".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (url, masked) in [
            ("postgres://ada:s3cret@db:5432/claviger?sslmode=require", "postgres://ada:***@db:5432/claviger"),
            ("postgres://ada:p@ss@db/claviger", "postgres://ada:***@db/claviger"),
            ("postgres://ada@db/claviger", "postgres://ada@db/claviger"),
            ("sqlite:/var/lib/claviger.db", "sqlite:/var/lib/claviger.db"),
            ("redis://:s3cret-of-ada@cache/1", "redis://:***@cache/1"),
            ("redis://ada:s?1@cache/1?protocol=resp3", "redis://ada:***@cache/1"),
            ("cache.example:6380,password=s3cret-of-ada,ssl=True", "***"),
        ] {
            assert_eq!(SecretUrl::new(url.to_owned()).masked(), masked);
            assert!(!format!("{:?}", SecretUrl::new(url.to_owned())).contains("ada"));
        }
    }
}
