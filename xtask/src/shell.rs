//! Running other programs in sight of the caller, and speaking to them. The only place that prints.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The folder of the whole workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

#[expect(clippy::print_stdout, reason = "what a task has to say")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "what a task has to say about a failure")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// Says which step begins.
pub(crate) fn step(name: &str) {
    say(&format!("\n== {name}"));
}

/// A command in the workspace's folder, without standard input: nothing here ever asks a question.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command(cargo_program(), arguments)
}

#[expect(clippy::disallowed_methods, reason = "cargo names itself to what it runs")]
fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The kind of machine that this is, as cargo names it.
pub(crate) fn host() -> Result<String> {
    let version = read(&mut command("rustc", &["-vV"]))?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    Ok(host.to_owned())
}

/// Where cargo puts what it builds.
#[expect(clippy::disallowed_methods, reason = "cargo's own variable, followed as cargo does")]
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// The search path with a folder behind all others.
#[expect(clippy::disallowed_methods, reason = "what tests run is looked for where this command was told to")]
pub(crate) fn search_path_and(folder: PathBuf) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::env::split_paths(&path).chain([folder]))?)
}

/// Runs it with its output in sight; its failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(&format!("   $ {}", shown(command)));
    let status = command.status().with_context(|| format!("start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}`: {status}", shown(command));
    }
    Ok(())
}

/// Runs it and gives what it printed; its failure is an error with what it complained of.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}`: {}\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The command as it would be typed.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
