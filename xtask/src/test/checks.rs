//! What is checked before any test runs: formatting, lints, and what we lean on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use claviger_testkit::locate;

use crate::shell::{self, cargo, run, say, step};

/// The version that reads `deny.toml`.
const CARGO_DENY: &str = "0.20.2";

pub(super) fn check_all() -> Result<()> {
    step("formatting");
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints");
    run(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step("dependencies");
    check_dependencies(&cargo_deny()?)
}

/// Licences, bans and sources need no network; advisories do, for their database.
fn check_dependencies(deny: &Path) -> Result<()> {
    // For this machine alone: what others need may not be here, and can't be had without a network.
    let host = shell::host()?;
    let options = ["--offline", "--locked", "--target", &host, "check", "--hide-inclusion-graph"];
    let checks = |names: &[&str]| shell::command(deny, &[&options, names].concat());
    run(&mut checks(&["bans", "licenses", "sources"]))?;
    // A network that swallows packets must not hold up everything else.
    let mut fetch = shell::command("timeout", &["60"]);
    fetch.arg(deny).args(["fetch", "db"]);
    if let Err(error) = shell::read(&mut fetch) {
        say("   advisories: their database can't be had from here, so they are not checked:");
        say(&format!("   {}", error.to_string().lines().last().unwrap_or_default()));
        return Ok(());
    }
    run(&mut checks(&["advisories"]))
}

/// The program of the right version: on the search path, or built once into the target folder.
fn cargo_deny() -> Result<PathBuf> {
    let folder = shell::target_folder().join("tools");
    let own = folder.join("bin/cargo-deny");
    if let Some(found) = locate("cargo-deny").into_iter().chain([own.clone()]).find(|path| is_right(path)) {
        return Ok(found);
    }
    let mut install = cargo(&["install", "--locked", "--version", CARGO_DENY, "cargo-deny", "--root"]);
    // Its own target folder, so that it is built once and nothing of ours is built again.
    run(install.arg(&folder).env("CARGO_TARGET_DIR", folder.join("build")))?;
    ensure!(is_right(&own), "cargo-deny {CARGO_DENY} was installed, and does not run");
    Ok(own)
}

fn is_right(program: &Path) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(CARGO_DENY))
}
