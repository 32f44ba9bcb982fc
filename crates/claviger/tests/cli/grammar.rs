//! What needs no server: help, misuse and its exit code, the configuration explained, completions.

use std::fs;

use serde_json::Value;

use super::claviger;

#[test]
fn exit_codes_are_0_done_1_refused_2_misused() {
    let claviger = claviger();
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["key-sets", "list", "--help"], 0),
        (&["config", "check"], 0),
        (&["config", "check", "--gateway-listen", "127.0.0.1:7700"], 1),
        (&["apis", "list", "--url", "http://127.0.0.1:1"], 1),
        (&[], 2),
        (&["fly"], 2),
        (&["serve", "--listen", "here"], 2),
        (&["apis", "create", "--name", "Orders"], 2),
        (&["key-sets", "show", ".."], 2),
        (&["which-key", "clv_key_0000"], 2),
        (&["organizations", "create", "--name", "A", "--url", "http://127.0.0.1:1"], 1),
        (&["organizations", "create", "--name", "A", "--if-match", "1", "--url", "http://127.0.0.1:1"], 2),
        (&["init"], 2),
    ] {
        let output = claviger.run(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", output.stdout, output.stderr);
        let (said, silent) =
            if code == 0 { (&output.stdout, &output.stderr) } else { (&output.stderr, &output.stdout) };
        assert!(!said.is_empty() || arguments.contains(&"check"), "{arguments:?} says nothing");
        assert!(silent.is_empty() || arguments.contains(&"check"), "{arguments:?}: {silent}");
    }
}

#[test]
fn config_check_explains_each_value_and_where_it_came_from() {
    let claviger = claviger()
        .with_variable("CLAVIGER_DOORS__FAILURES_PER_MINUTE", "60")
        .with_variable("CLAVIGER_DATABASE_URL", "postgres://ada:s3cret@db/claviger");
    fs::write(claviger.data_folder().join("claviger.toml"), "public_url = \"https://keys.example.com\"\n")
        .unwrap();
    let output = claviger.run(&["config", "check", "--listen", "127.0.0.1:7790", "--json"], "");
    output.demand_success("config check");
    let explained: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(explained["ok"], true);
    let line = |setting: &str| {
        let lines = explained["settings"].as_array().unwrap();
        let line = lines.iter().find(|line| line["setting"] == setting).unwrap();
        (line["value"].as_str().unwrap().to_owned(), line["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(line("listen"), ("127.0.0.1:7790".into(), "--listen".into()));
    assert_eq!(line("public_url"), ("https://keys.example.com".into(), "claviger.toml".into()));
    assert_eq!(
        line("doors.failures_per_minute"),
        ("60".into(), "the variable CLAVIGER_DOORS__FAILURES_PER_MINUTE".into())
    );
    assert_eq!(line("metrics_listen"), ("127.0.0.1:7703".into(), "default".into()));
    assert_eq!(line("database_url").0, "postgres://ada:***@db/claviger");
    assert!(!output.stdout.contains("s3cret"));
}

#[test]
fn what_is_unknown_in_the_configuration_stops_every_command_that_reads_it() {
    let claviger = claviger();
    fs::write(claviger.data_folder().join("claviger.toml"), "[doors]\ntrust = []\n").unwrap();
    for command in [&["serve"][..], &["config", "check"], &["doctor"], &["verify-log"]] {
        let output = claviger.run(command, "");
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(
            output.stderr.contains("trust") && output.stderr.contains("claviger.toml"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn the_console_and_the_gateway_never_share_an_origin() {
    let claviger = claviger();
    let output = claviger.run(&["config", "check", "--public-url", "http://127.0.0.1:7701"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.contains("console and gateway never share"), "{}", output.stdout);
    let served = claviger.run(&["serve", "--public-url", "http://127.0.0.1:7701"], "");
    assert_eq!(served.status.code(), Some(2));
    assert!(served.stderr.contains("console and gateway never share"), "{}", served.stderr);
}

#[test]
fn completions_are_made_for_three_shells_and_a_shell_takes_them() {
    let claviger = claviger();
    for shell in ["bash", "zsh", "fish"] {
        let output = claviger.run(&["completions", shell], "");
        output.demand_success("completions");
        assert!(output.stdout.contains("regenerate"), "{shell}");
    }
    let script = claviger.run(&["completions", "bash"], "").stdout;
    let file = claviger.data_folder().join("completions.bash");
    fs::write(&file, script).unwrap();
    let ask = format!(
        "source '{}'; COMP_WORDS=(claviger key-sets reg); COMP_CWORD=2; _claviger claviger reg key-sets; \
         echo \"${{COMPREPLY[*]}}\"",
        file.display()
    );
    let answer = std::process::Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "regenerate");
}
