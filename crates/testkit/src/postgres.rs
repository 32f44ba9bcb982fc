//! A real PostgreSQL from the system's packages, durable as in production: `fsync` stays on.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::ambient;
use crate::ports::{Port, free_port};
use crate::process::Process;
use crate::programs;

/// Enough for every test of a process to keep a pool.
const CONNECTIONS: u32 = 300;

/// A cluster in a temporary folder, listening on loopback alone. Ends when dropped.
#[derive(Debug)]
pub struct Postgres {
    address: String,
    /// None: it was started by the test command, which ends it too.
    own: Option<OwnCluster>,
}

impl Postgres {
    /// Starts a cluster of the test's own, which it may stop at any instant.
    #[track_caller]
    pub fn start() -> Self {
        let own = OwnCluster::initialise();
        let mut postgres =
            Self { address: format!("postgres://postgres@127.0.0.1:{}", own.port), own: Some(own) };
        postgres.start_again();
        postgres
    }

    /// The cluster that all tests of this process share: the one that the test command handed over, or one
    /// started by the first who asks.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match ambient::handed_over_postgres() {
            Some(address) => Self { address: address.trim_end_matches('/').to_owned(), own: None },
            None => Self::start(),
        })
    }

    /// A new, empty database of its own for one test.
    #[track_caller]
    pub fn create_database(&self) -> Database {
        let name = format!("test_{:016x}", RandomState::new().hash_one(std::process::id()));
        // `template0` has no other users, so that tests can make databases at once.
        self.administer(&format!("CREATE DATABASE {name} TEMPLATE template0"));
        Database { url: format!("{}/{name}", self.address), administration: self.administration_url(), name }
    }

    /// Where it listens: `postgres://user@host:port`, to be followed by a database's name.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as a crash would: no checkpoint, connections cut, recovery at the next start.
    #[track_caller]
    pub fn stop_immediately(&mut self) {
        let process = self.own_cluster().process.take();
        process.expect("a running PostgreSQL").end_with(Signal::QUIT);
    }

    /// Starts it again on the same data and port, and waits until it answers.
    #[track_caller]
    pub fn start_again(&mut self) {
        let cluster = self.own_cluster();
        assert!(cluster.process.is_none(), "this PostgreSQL is running");
        cluster.process = Some(cluster.start());
    }

    /// Stops its time: it holds its connections, and answers nobody.
    #[track_caller]
    pub fn freeze(&mut self) {
        self.running().signal_all(Signal::STOP);
    }

    /// The same for one session alone, by the process that serves it: its client waits, and others are answered.
    #[track_caller]
    pub fn freeze_session(&mut self, process: i32) {
        assert!(
            self.running().descendants().contains(&process.unsigned_abs()),
            "{process} is none of its own"
        );
        let session = Pid::from_raw(process).expect("a process");
        rustix::process::kill_process(session, Signal::STOP).expect("a session that is open");
    }

    /// Lets its time go on, and that of all sessions.
    #[track_caller]
    pub fn thaw(&mut self) {
        self.running().signal_all(Signal::CONT);
    }

    #[track_caller]
    fn running(&mut self) -> &Process {
        self.own_cluster().process.as_ref().expect("a running PostgreSQL")
    }

    #[track_caller]
    fn own_cluster(&mut self) -> &mut OwnCluster {
        self.own.as_mut().expect("a cluster that this test started itself: take `Postgres::start()`")
    }

    fn administration_url(&self) -> String {
        format!("{}/postgres", self.address)
    }

    #[track_caller]
    fn administer(&self, statement: &str) {
        administer(&self.administration_url(), statement)
            .unwrap_or_else(|said| panic!("{statement}: {said}"));
    }
}

/// A database of one test's own; dropped with this value, whoever is still connected.
#[derive(Debug)]
pub struct Database {
    url: String,
    administration: String,
    name: String,
}

impl Database {
    /// `postgres://…`, as `--database-url` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs SQL as the owner of everything.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        administer(&self.url, sql).unwrap_or_else(|said| panic!("{sql}: {said}"));
    }

    /// A name for a role. Roles are the whole cluster's, so it has the database's name in it.
    pub fn role_name(&self, suffix: &str) -> String {
        format!("{}_{suffix}", self.name)
    }

    /// The address under which the role signs in.
    pub fn url_of(&self, role: &str) -> String {
        self.url.replacen("postgres@", &format!("{role}@"), 1)
    }

    /// Makes a role that may sign in and is granted nothing: its name, and the address under which it signs in.
    #[track_caller]
    pub fn create_role(&self, suffix: &str) -> (String, String) {
        let role = self.role_name(suffix);
        self.run(&format!("CREATE ROLE {role} LOGIN"));
        let url = self.url_of(&role);
        (role, url)
    }

    /// What `psql` says to SQL that whoever has this address runs; the error is a refusal.
    pub fn ask_as(&self, url: &str, sql: &str) -> Result<String, String> {
        ask(url, sql)
    }

    /// Everything in it as SQL text, as a thief of a backup would have it.
    #[track_caller]
    pub fn dump(&self) -> String {
        let output = Command::new(programs::find_postgres("pg_dump"))
            .arg(&self.url)
            .output()
            .unwrap_or_else(|e| panic!("start pg_dump: {e}"));
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The cluster may have been stopped, or end with the whole run: what is left goes with it.
        let _ =
            administer(&self.administration, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Runs one statement; the error is what `psql` said.
fn administer(url: &str, statement: &str) -> Result<(), String> {
    let output = Command::new(programs::find_postgres("psql"))
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, url])
        .output()
        .map_err(|e| format!("start psql: {e}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Runs SQL and answers the rows, without headings.
fn ask(url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(programs::find_postgres("psql"))
        .args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--command",
            sql,
            url,
        ])
        .output()
        .map_err(|e| format!("start psql: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[derive(Debug)]
struct OwnCluster {
    // Before the folder: the server ends first.
    process: Option<Process>,
    folder: TempDir,
    port: Port,
    user: Option<User>,
}

impl OwnCluster {
    #[track_caller]
    fn initialise() -> Self {
        let folder =
            tempfile::Builder::new().prefix("claviger-postgres-").tempdir().expect("a temporary folder");
        let user = User::if_root();
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).expect("give the folder to `postgres`");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("close the folder");
        let cluster = Self { process: None, folder, port: free_port(), user };
        // Not synced: only what the server writes later has to outlive a crash.
        let output = cluster
            .command("initdb")
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--pgdata",
            ])
            .arg(cluster.data())
            .output()
            .unwrap_or_else(|e| panic!("start initdb: {e}"));
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        cluster
    }

    #[track_caller]
    fn start(&self) -> Process {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", &format!("port={}", self.port)]);
        command.args(["-c", &format!("max_connections={CONNECTIONS}")]);
        // After a crash the whole file system is synced once, not each of a thousand files by itself: as durable, and
        // seconds faster.
        command.args(["-c", "recovery_init_sync_method=syncfs"]);
        command.args(["-c", &format!("unix_socket_directories={}", self.folder.path().display())]);
        let log = self.folder.path().join("log");
        let mut process = Process::start("PostgreSQL", &mut command, &log, Signal::QUIT, self.folder.path());
        // It accepts connections before it has recovered, and refuses them with words: so it is asked.
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        process.wait_until("ready", || {
            TcpStream::connect(self.port.address()).is_ok() && administer(&url, "SELECT 1").is_ok()
        });
        process
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    #[track_caller]
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs::find_postgres(program));
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

/// PostgreSQL refuses to run as root: the user of its package does.
#[derive(Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    #[track_caller]
    fn if_root() -> Option<Self> {
        rustix::process::getuid().is_root().then(Self::of_package)
    }

    #[track_caller]
    fn of_package() -> Self {
        let accounts = fs::read_to_string(Path::new("/etc/passwd")).expect("the list of accounts");
        accounts
            .lines()
            .find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let ["postgres", _, uid, gid, ..] = fields.as_slice() else { return None };
                Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
            })
            .expect("the account `postgres`, which the package `postgresql` makes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(url: &str, query: &str) -> String {
        let output = Command::new(programs::find_postgres("psql"))
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", query, url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn each_test_has_a_database_of_its_own() {
        let (one, other) = (Postgres::shared().create_database(), Postgres::shared().create_database());
        assert_ne!(one.url(), other.url());
        administer(one.url(), "CREATE TABLE seen (id BIGINT)").unwrap();
        assert_eq!(rows(other.url(), "SELECT count(*) FROM pg_tables WHERE tablename = 'seen'"), "0");
        assert!(one.dump().contains("CREATE TABLE public.seen"));
        assert_eq!(rows(one.url(), "SHOW fsync"), "on");
    }

    #[test]
    fn a_frozen_one_goes_on_where_it_was() {
        let mut postgres = Postgres::start();
        let database = postgres.create_database();
        administer(database.url(), "CREATE TABLE kept (id BIGINT)").unwrap();
        postgres.freeze();
        let (url, (told, answered)) = (database.url().to_owned(), std::sync::mpsc::channel());
        std::thread::spawn(move || told.send(administer(&url, "INSERT INTO kept VALUES (7)")));
        assert!(answered.recv_timeout(std::time::Duration::from_millis(500)).is_err(), "nobody answers");
        postgres.thaw();
        assert_eq!(answered.recv().unwrap(), Ok(()));
        assert_eq!(rows(database.url(), "SELECT id FROM kept"), "7");
    }

    #[test]
    fn what_was_committed_outlives_an_immediate_stop() {
        let mut postgres = Postgres::start();
        let database = postgres.create_database();
        administer(database.url(), "CREATE TABLE kept (id BIGINT)").unwrap();
        administer(database.url(), "INSERT INTO kept VALUES (7)").unwrap();
        postgres.stop_immediately();
        assert!(administer(database.url(), "SELECT 1").is_err());
        postgres.start_again();
        assert_eq!(rows(database.url(), "SELECT id FROM kept"), "7");
    }
}
