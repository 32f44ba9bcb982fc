//! The program itself, as an operator runs it: the built binary, a data folder of its own, real processes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal};
use serde::Deserialize;
use tempfile::TempDir;

use crate::ambient;
use crate::ports::{Port, free_port};
use crate::probe;
use crate::process::Process;

/// One installation: a data folder, a database, what its configuration says. Its folder goes with it.
#[derive(Debug)]
pub struct Claviger {
    binary: PathBuf,
    data: TempDir,
    database_url: Option<String>,
    variables: Vec<(OsString, OsString)>,
    arguments: Vec<OsString>,
}

/// What `claviger init --json` prints.
#[derive(Debug, Clone, Deserialize)]
pub struct Initialised {
    pub organization_id: String,
    pub member_id: String,
    pub service_key: String,
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Claviger {
    /// `binary` is `env!("CARGO_BIN_EXE_claviger")` of the calling test. The database is SQLite in the data
    /// folder unless told otherwise.
    #[track_caller]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let data = tempfile::Builder::new().prefix("claviger-data-").tempdir().expect("a temporary folder");
        Self { binary: binary.into(), data, database_url: None, variables: Vec::new(), arguments: Vec::new() }
    }

    /// `sqlite:…` or `postgres://…`.
    #[must_use]
    pub fn with_database(mut self, url: &str) -> Self {
        self.database_url = Some(url.to_owned());
        self
    }

    /// A variable of every command's otherwise empty environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// A further argument of `serve`.
    #[must_use]
    pub fn with_argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Another node of this installation, on the same database: its data folder and its keeper are its own, the
    /// root secret is the same, as operators copy it. This one must have been initialised.
    #[track_caller]
    pub fn another_node(&self) -> Self {
        let data = tempfile::Builder::new().prefix("claviger-data-").tempdir().expect("a temporary folder");
        fs::DirBuilder::new()
            .mode(0o700)
            .create(data.path().join("keeper"))
            .expect("a folder for the keeper");
        for file in ["master.key", "keeper/root.sealed"] {
            fs::copy(self.data.path().join(file), data.path().join(file))
                .unwrap_or_else(|e| panic!("{file}: {e}"));
        }
        let journal = data.path().join("keeper/journal");
        File::options().write(true).create_new(true).mode(0o600).open(journal).expect("an empty journal");
        Self {
            binary: self.binary.clone(),
            data,
            database_url: self.database_url.clone(),
            variables: self.variables.clone(),
            arguments: self.arguments.clone(),
        }
    }

    /// A data node of this installation that is not enrolled yet: its data folder and its keeper are its own, and
    /// nothing is copied. `url` is how its narrow role signs in.
    #[track_caller]
    pub fn data_node(&self, url: &str) -> Self {
        let node = Self::new(self.binary.clone()).with_database(url);
        Self { variables: self.variables.clone(), ..node }
    }

    /// Starts `gateway`, a data node, and waits until it is ready.
    #[track_caller]
    pub fn gateway(&self) -> Server {
        self.start_command("gateway", "ready", "/readyz", &[])
    }

    /// Starts `gateway` and waits only until it is alive.
    #[track_caller]
    pub fn gateway_unready(&self) -> Server {
        self.start_command("gateway", "alive", "/healthz", &[])
    }

    /// The same, as it begins: it may not answer yet.
    pub fn gateway_beginning(&self) -> Server {
        self.begin_command("gateway", &[])
    }

    pub fn data_folder(&self) -> &Path {
        self.data.path()
    }

    /// A command that opens the data: `--data-dir` and `--database-url` are added.
    pub fn command_on_data(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.arg("--data-dir").arg(self.data.path());
        if let Some(url) = &self.database_url {
            command.arg("--database-url").arg(url);
        }
        command
    }

    /// A command with nothing added. It sees no variable but the search path and what the test set.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.data.path()).env_clear();
        command.env("PATH", ambient::search_path()).env("HOME", self.data.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Makes the first Organization, owner and service key.
    #[track_caller]
    pub fn init(&self) -> Initialised {
        let output = run(&mut self.command_on_data(&["init", "--owner", "owner@example.org", "--json"]), "");
        output.demand_success("claviger init");
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e} in what `init --json` printed"))
    }

    /// Starts `serve` on ports of its own and waits until it is ready.
    #[track_caller]
    pub fn serve(&self) -> Server {
        self.start("ready", "/readyz", &[])
    }

    /// Starts `serve` and waits only until it is alive: on a database that nobody initialised, for one.
    #[track_caller]
    pub fn serve_unready(&self) -> Server {
        self.start("alive", "/healthz", &[])
    }

    /// Starts `quickstart` and waits until it is ready.
    #[track_caller]
    pub fn quickstart(&self) -> Server {
        self.start_command("quickstart", "ready", "/readyz", &[])
    }

    /// Starts `serve` with further arguments and waits until it is ready.
    #[track_caller]
    pub fn serve_with(&self, arguments: &[&str]) -> Server {
        self.start("ready", "/readyz", arguments)
    }

    #[track_caller]
    fn start(&self, what: &str, path: &str, arguments: &[&str]) -> Server {
        self.start_command("serve", what, path, arguments)
    }

    #[track_caller]
    fn start_command(&self, subcommand: &str, what: &str, path: &str, arguments: &[&str]) -> Server {
        let mut server = self.begin_command(subcommand, arguments);
        server.wait_until_answering(what, path);
        server
    }

    fn begin_command(&self, subcommand: &str, arguments: &[&str]) -> Server {
        let ports = [free_port(), free_port(), free_port(), free_port()];
        let mut command = self.command_on_data(&[subcommand]);
        let flags = ["--listen", "--gateway-listen", "--ext-authz-listen", "--metrics-listen"];
        for (flag, port) in flags.iter().zip(&ports) {
            command.arg(flag).arg(port.address().to_string());
        }
        command.args(&self.arguments).args(arguments);
        // Beside the data folder, not in it: a search for secrets there must find the program's own files only.
        let logs = tempfile::Builder::new().prefix("claviger-log-").tempdir().expect("a temporary folder");
        let log = logs.path().join("log");
        let process = Process::start("claviger", &mut command, &log, Signal::KILL, logs.path());
        let [listen, gateway, ext_authz, metrics] = ports;
        Server { process, _logs: logs, listen, gateway, ext_authz, metrics }
    }
}

impl Output {
    /// Runs any command to its end, with `input` as all that it can read.
    #[track_caller]
    pub fn of(command: &mut Command, input: &str) -> Self {
        run(command, input)
    }

    /// Panics with what was printed unless the command succeeded.
    #[track_caller]
    pub fn demand_success(&self, what: &str) {
        assert!(self.status.success(), "{what}: {}\n{}\n{}", self.status, self.stdout, self.stderr);
    }
}

/// Runs a command to its end, with `input` as all that it can read.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("start {}: {e}", command.get_program().display()));
    let mut pipe = child.stdin.take().expect("its input");
    let output = thread::scope(|scope| {
        // A command that reads nothing closes its end: not a failure.
        scope.spawn(move || pipe.write_all(input.as_bytes()));
        child.wait_with_output()
    })
    .unwrap_or_else(|e| panic!("wait for {}: {e}", command.get_program().display()));
    Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Claviger {
    /// Runs a command that opens the data, to its end.
    #[track_caller]
    pub fn run_on_data(&self, arguments: &[&str]) -> Output {
        run(&mut self.command_on_data(arguments), "")
    }

    /// Runs any command to its end, with `input` on its standard input.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        run(&mut self.command(arguments), input)
    }
}

/// A running example of the workspace. Killed when dropped.
#[derive(Debug)]
pub struct Example {
    process: Process,
    _logs: TempDir,
    listen: Port,
}

impl Claviger {
    /// Starts the example of this name on this installation's data and database, and waits until it answers.
    ///
    /// `cargo test` builds examples, but not where it is told which tests to run: build them before.
    #[track_caller]
    pub fn example(&self, name: &str, arguments: &[&str]) -> Example {
        let program = self.binary.with_file_name("examples").join(name);
        assert!(
            program.is_file(),
            "there is no {}: `cargo test --workspace --no-run` builds it",
            program.display()
        );
        let listen = free_port();
        let mut command = Command::new(program);
        command.current_dir(self.data.path()).env_clear().arg("--data-dir").arg(self.data.path());
        command.arg("--listen").arg(listen.address().to_string());
        if let Some(url) = &self.database_url {
            command.arg("--database-url").arg(url);
        }
        let logs = tempfile::Builder::new().prefix("claviger-log-").tempdir().expect("a temporary folder");
        let log = logs.path().join("log");
        let mut process =
            Process::start("the example", command.args(arguments), &log, Signal::KILL, logs.path());
        process.wait_until("answering", || probe::status(listen.address(), "/").is_some());
        Example { process, _logs: logs, listen }
    }
}

impl Example {
    pub fn url(&self) -> String {
        format!("http://{}", self.listen.address())
    }

    /// All that it has written to its output and error output.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    _logs: TempDir,
    listen: Port,
    gateway: Port,
    ext_authz: Port,
    metrics: Port,
}

impl Server {
    /// Console and REST API: `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen.address())
    }

    pub fn metrics_url(&self) -> String {
        format!("http://{}", self.metrics.address())
    }

    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway.address())
    }

    pub fn ext_authz_url(&self) -> String {
        format!("http://{}", self.ext_authz.address())
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The processes that it started, and theirs: the keeper, for one.
    pub fn descendants(&self) -> Vec<u32> {
        self.process.descendants()
    }

    /// Ends its keeper with SIGKILL. False: it had none, since the last one is not started again yet.
    #[track_caller]
    pub fn kill_keeper(&self) -> bool {
        let keepers = self.descendants();
        assert!(keepers.len() <= 1, "{keepers:?}");
        let keeper = keepers.first().and_then(|id| Pid::from_raw(id.cast_signed()));
        keeper.is_some_and(|keeper| rustix::process::kill_process(keeper, Signal::KILL).is_ok())
    }

    /// All that it has written to its output and error output.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until it has written this.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str) {
        self.process.wait_for_log(text);
    }

    /// Waits until it answers at all.
    pub fn wait_until_alive(&mut self) {
        self.wait_until_answering("alive", "/healthz");
    }

    fn wait_until_answering(&mut self, what: &str, path: &str) {
        let address = self.listen.address();
        self.process.wait_until(what, || probe::status(address, path) == Some(200));
    }

    /// Ends it with SIGKILL: it has no chance to put anything in order.
    pub fn kill(mut self) {
        self.process.end_with(Signal::KILL);
    }

    /// Asks it to end, and says how it did, with its whole log.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let status = self.process.end_with(Signal::TERM);
        (status, self.process.log())
    }
}
