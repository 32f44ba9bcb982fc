//! A standard output that takes nothing: a full disk, a reader that hung up.

use std::fs::File;
use std::process::Command;

use serde_json::Value;

use super::{Shell, claviger};

/// The exit code and the error output of a command whose standard output is a full disk.
fn on_a_full_disk(mut command: Command) -> (Option<i32>, String) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_could_not_be_written_is_an_error_and_a_lost_value_is_told_of() {
    let claviger = claviger();
    let init = ["init", "--owner", "ada@example.com", "--json"];
    for (arguments, lost) in [
        (&init[..], true),
        (&["owner-key"], true),
        (&["config", "check"], false),
        (&["doctor"], false),
        (&["verify-log", "--json"], false),
    ] {
        let (code, said) = on_a_full_disk(claviger.command_on_data(arguments));
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("can't be written"), "{arguments:?}: {said}");
        assert_eq!(said.contains("`claviger owner-key` makes another"), lost, "{arguments:?}: {said}");
    }
    for arguments in [&["completions", "bash"][..], &["docs", "errors"], &["--help"]] {
        let (code, said) = on_a_full_disk(claviger.command(arguments));
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
    }
    let made = claviger.run_on_data(&["owner-key", "--json"]);
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, made["service_key"].as_str().unwrap());
    let owners = &shell.json(&["permission-groups", "list", "--q", "owner"])["items"][0]["id"];
    let create =
        ["service-keys", "create", "--name", "Robot", "--permission-group-ids", owners.as_str().unwrap()];
    let (code, said) = on_a_full_disk(shell.command(&create));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("service-keys replace"), "{said}");
    let (code, said) = on_a_full_disk(shell.command(&["service-keys", "list"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("can't be written") && !said.contains("is lost"), "{said}");
}

#[test]
fn a_reader_that_hung_up_is_told_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = claviger().command(&["docs", "errors"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]));
}
