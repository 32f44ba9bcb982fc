//! The system's programs that tests run: those that are missing are installed, and no others.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use claviger_testkit::locate;

use crate::shell::{self, run, say, step};

/// Programs, and the package that has each on Debian and its kin.
const PROGRAMS: &[(&str, &str)] = &[
    ("postgres", "postgresql"),
    ("nginx", "nginx"),
    ("caddy", "caddy"),
    ("redis-server", "redis-server"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("curl", "curl"),
    ("git", "git"),
];

pub(super) fn install_missing() -> Result<()> {
    step("programs");
    let packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| locate(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if packages.is_empty() {
        say("   nothing is missing");
        return Ok(());
    }
    say(&format!("   missing: {}", packages.join(", ")));
    install(&packages)?;
    match PROGRAMS.iter().find(|(program, _)| locate(program).is_none()) {
        Some((program, package)) => {
            bail!("the package `{package}` was installed, and there is no `{program}`")
        }
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if locate("apt-get").is_none() {
        bail!(
            "install {} with this system's package manager, and run this again: only apt-get is known here",
            packages.join(", ")
        );
    }
    run(&mut as_root(&["apt-get", "update"])?)?;
    let mut install = as_root(&["apt-get", "install", "--yes", "--no-install-recommends"])?;
    run(install.args(packages)).context("the tests run these programs for real, and can't do without them")
}

/// Root itself, or sudo where it asks no question. No service is started: tests start their own.
fn as_root(words: &[&str]) -> Result<Command> {
    let variables = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
    let root = shell::read(&mut shell::command("id", &["-u"]))?.trim() == "0";
    let mut command = match root {
        true => shell::command("env", &variables[1..]),
        false if locate("sudo").is_some() => {
            let mut command = shell::command("sudo", &["-n"]);
            command.args(variables);
            command
        }
        false => bail!("run this as root once, or install by hand: there is no sudo"),
    };
    command.args(words);
    Ok(command)
}
