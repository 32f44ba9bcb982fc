//! Layers, provenance and checks.

use super::*;

fn sources() -> Sources {
    // A file that does not exist beside the tests, so that only what a test says counts.
    Sources { file: None, variables: BTreeMap::new(), flags: Vec::new() }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("claviger.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn from(explained: &Explained, setting: &str) -> (String, String) {
    let line = explained.lines.iter().find(|line| line.setting == setting).unwrap();
    (line.value.clone(), line.from.clone())
}

#[test]
fn without_a_word_it_is_the_defaults() {
    let explained = sources().read().unwrap();
    assert_eq!(explained.findings, []);
    let configuration = &explained.configuration;
    assert_eq!(configuration.listen.to_string(), "127.0.0.1:7700");
    assert_eq!(configuration.public_url, "http://127.0.0.1:7700");
    assert_eq!(configuration.database_url.expose(), "sqlite:./claviger-data/claviger.db");
    assert_eq!(configuration.doors.max_staleness.to_string(), "PT24H");
    assert!(explained.lines.iter().all(|line| line.from == "default" && !line.value.is_empty()));
}

#[test]
fn file_then_variables_then_flags_and_each_value_knows_its_place() {
    let (_folder, file) = file(
        "listen = \"127.0.0.1:1\"\ngateway_listen = \"127.0.0.1:2\"\nmetrics_listen = \"127.0.0.1:3\"\n\
         [doors]\nfailures_per_minute = 7\n",
    );
    let explained = Sources {
        file: Some(file.clone()),
        variables: BTreeMap::from([
            ("CLAVIGER_GATEWAY_LISTEN".to_owned(), "127.0.0.1:22".to_owned()),
            ("CLAVIGER_METRICS_LISTEN".to_owned(), "127.0.0.1:23".to_owned()),
            ("CLAVIGER_DOORS__TRUSTED".to_owned(), "10.0.0.0/8, ::1/128".to_owned()),
            ("CLAVIGER_KEEPER__OPENS_PER_HOUR".to_owned(), "500".to_owned()),
            ("CLAVIGER_URL".to_owned(), "http://elsewhere".to_owned()),
            ("CLAVIGER_PORT_7700_TCP_ADDR".to_owned(), "10.0.0.1".to_owned()),
        ]),
        flags: vec![("metrics_listen", "127.0.0.1:33".to_owned())],
    }
    .read()
    .unwrap();
    let place = file.display().to_string();
    assert_eq!(from(&explained, "listen"), ("127.0.0.1:1".into(), place.clone()));
    assert_eq!(from(&explained, "public_url"), ("http://127.0.0.1:1".into(), "default".into()));
    assert_eq!(
        from(&explained, "gateway_listen"),
        ("127.0.0.1:22".into(), "the variable CLAVIGER_GATEWAY_LISTEN".into())
    );
    assert_eq!(from(&explained, "metrics_listen"), ("127.0.0.1:33".into(), "--metrics-listen".into()));
    assert_eq!(from(&explained, "doors.failures_per_minute"), ("7".into(), place));
    assert_eq!(from(&explained, "doors.trusted").0, "10.0.0.0/8, ::1/128");
    assert_eq!(explained.configuration.keeper.opens_per_hour, 500);
}

#[test]
fn a_secret_may_come_from_a_file_and_is_never_shown() {
    let (_folder, secret) = file("postgres://ada:s3cret@db/claviger\n");
    let mut sources = sources();
    let path = secret.display().to_string();
    sources.variables.insert("CLAVIGER_DATABASE_URL_FILE".to_owned(), path.clone());
    let explained = sources.read().unwrap();
    assert_eq!(explained.configuration.database_url.expose(), "postgres://ada:s3cret@db/claviger");
    let (value, from) = from(&explained, "database_url");
    assert_eq!(value, "postgres://ada:***@db/claviger");
    assert!(from.contains(&path), "{from}");
    assert!(!format!("{explained:?}").contains("s3cret"));
}

#[test]
fn the_address_of_redis_is_a_secret_too_and_must_be_one() {
    let (_folder, secret) = file("rediss://:s3cret@cache:6380/2\n");
    let mut sources = sources();
    let path = secret.display().to_string();
    sources.variables.insert("CLAVIGER_LIMITS__REDIS_URL_FILE".to_owned(), path.clone());
    let explained = sources.read().unwrap();
    assert_eq!(
        explained.configuration.limits.redis_url.as_ref().unwrap().expose(),
        "rediss://:s3cret@cache:6380/2"
    );
    let (value, from) = from(&explained, "limits.redis_url");
    assert_eq!(value, "rediss://:***@cache:6380/2");
    assert!(from.contains(&path), "{from}");
    assert!(explained.findings.is_empty() && !format!("{explained:?}").contains("s3cret"));
}

#[test]
fn what_is_unknown_or_of_the_wrong_type_is_named_with_its_place() {
    for (text, said) in [
        ("listne = \"127.0.0.1:1\"", "listne"),
        ("[doors]\ntrust = []", "trust"),
        ("[doors]\nfailures_per_minute = \"many\"", "doors.failures_per_minute"),
        ("listen = \"here\"", "listen"),
        ("[log]\nformat = \"xml\"", "log.format"),
        ("listen = ", "TOML"),
    ] {
        let (_folder, file) = file(text);
        let error = Sources { file: Some(file), ..sources() }.read().unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("claviger.toml"), "{text}: {error}");
    }
    for (name, value, said) in [
        ("CLAVIGER_LISTNE", "127.0.0.1:1", "CLAVIGER_LISTNE"),
        ("CLAVIGER_DOORS__FAILURES_PER_MINUTE", "many", "CLAVIGER_DOORS__FAILURES_PER_MINUTE"),
        ("CLAVIGER_DATABASE_URL_FILE", "/nowhere/at/all", "/nowhere/at/all"),
        ("CLAVIGER_CONFIG", "/nowhere/at/all", "/nowhere/at/all"),
    ] {
        let mut sources = sources();
        sources.variables.insert(name.to_owned(), value.to_owned());
        let error = sources.read().unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn contradictions_forbid_to_start() {
    for (text, about) in [
        ("metrics_listen = \"127.0.0.1:7702\"", "metrics_listen"),
        ("ext_authz_listen = \"0.0.0.0:7700\"", "ext_authz_listen"),
        ("public_url = \"http://127.0.0.1:7701\"", "public_url"),
        ("public_url = \"http://localhost:7701/console\"", "public_url"),
        ("public_url = \"keys.example.com\"", "public_url"),
        ("public_url = \"https://keys.example.com/?a\"", "public_url"),
        ("database_url = \"mysql://db\"", "database_url"),
        ("node_name = \"\"", "node_name"),
        ("[doors]\ntrusted = [\"0.0.0.0/0\"]", "doors.trusted"),
        ("[doors]\nmax_staleness = \"P0D\"", "doors.max_staleness"),
        ("[gateway]\nidle_timeout = \"P0D\"", "gateway.idle_timeout"),
        ("[gateway]\ncertificate_file = \"a.pem\"", "gateway.certificate_file"),
        ("[gateway]\nkey_file = \"a.pem\"", "gateway.certificate_file"),
        ("[gateway]\nenvironment = \"No Slug\"", "gateway.environment"),
        ("[doors]\nfailures_per_minute = 0", "doors.failures_per_minute"),
        ("[log]\nfilter = \"a=b=c\"", "log.filter"),
    ] {
        let (_folder, file) = file(text);
        let explained = Sources { file: Some(file), ..sources() }.read().unwrap();
        let errors: Vec<_> = explained.errors().into_iter().map(|finding| finding.about.as_str()).collect();
        assert_eq!(errors, [about], "{text}: {:?}", explained.findings);
    }
}

#[test]
fn what_is_unwise_is_said_and_starts() {
    for (text, about) in [
        ("metrics_listen = \"0.0.0.0:7703\"", "metrics_listen"),
        ("public_url = \"http://keys.example.com\"", "public_url"),
        ("database_url = \"postgres://a:b@db/claviger\"", "database_url"),
        ("[keeper]\nopens_per_hour = 3", "keeper.opens_per_actor_per_hour"),
        ("[keeper]\ngit_signatures_per_hour = 3", "keeper.git_signatures_per_actor_per_hour"),
        ("[keeper]\njwt_signatures_per_hour = 3", "keeper.jwt_signatures_per_actor_per_hour"),
        ("[limits]\nredis_url = \"redis://:b@cache\"", "limits.redis_url"),
    ] {
        let (_folder, file) = file(text);
        let explained = Sources { file: Some(file), ..sources() }.read().unwrap();
        assert!(explained.errors().is_empty());
        assert_eq!(explained.findings.len(), 1, "{text}: {:?}", explained.findings);
        assert_eq!(explained.findings[0].about, about, "{text}");
    }
}

#[test]
fn values_that_are_read_and_make_no_sense_are_found() {
    let about = |setting: &'static str, value: &str| -> Vec<(Weight, String)> {
        let explained = Sources {
            file: None,
            variables: BTreeMap::from([(setting.to_owned(), value.to_owned())]),
            flags: Vec::new(),
        }
        .read()
        .unwrap();
        explained.findings.into_iter().map(|finding| (finding.weight, finding.about)).collect()
    };
    let error = |about: &str| vec![(Weight::Error, about.to_owned())];
    let warning = |about: &str| vec![(Weight::Warning, about.to_owned())];
    assert_eq!(about("CLAVIGER_DOORS__TRUSTED", "10.1.2.3/8"), error("doors.trusted"));
    assert_eq!(about("CLAVIGER_DOORS__TRUSTED", "10.0.0.0/8"), []);
    assert_eq!(about("CLAVIGER_MASTER_KEY_FILE", "/nowhere/master.key"), error("master_key_file"));
    assert_eq!(about("CLAVIGER_LIMITS__REDIS_URL", "http://cache:6379"), error("limits.redis_url"));
    assert_eq!(about("CLAVIGER_LIMITS__REDIS_URL", "redis://ada:b@cache:6379/1"), []);
    assert_eq!(about("CLAVIGER_LOG__FILTER", "nonsense"), warning("log.filter"));
    assert_eq!(about("CLAVIGER_LOG__FILTER", "a=nonsense"), error("log.filter"));
    assert_eq!(about("CLAVIGER_LOG__FILTER", "warn,claviger_service=debug"), []);
    assert!(about("CLAVIGER_LISTEN", "0.0.0.0:7700").contains(&warning("listen")[0]));
}
