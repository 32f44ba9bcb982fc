//! A real Redis from the system's packages, which a test may stop, freeze and start again.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::{Port, free_port};
use crate::process::Process;
use crate::programs;

const PATIENCE: Duration = Duration::from_secs(5);

/// A Redis on loopback that keeps nothing on disk. Ends when dropped.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    port: Port,
    password: Option<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts it, and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// The same with a password.
    #[track_caller]
    pub fn start_locked(password: &str) -> Self {
        Self::start_with(Some(password.to_owned()))
    }

    #[track_caller]
    fn start_with(password: Option<String>) -> Self {
        let folder = tempfile::Builder::new().prefix("claviger-redis-").tempdir().expect("a folder");
        let mut redis = Self { process: None, port: free_port(), password, folder };
        redis.start_again();
        redis
    }

    /// `redis://…`
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// Its port, which stays its own while it is down.
    pub const fn port(&self) -> &Port {
        &self.port
    }

    /// Kills it; it forgets everything.
    #[track_caller]
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end_with(Signal::KILL);
        }
    }

    /// Starts it on the same port, empty.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.kill();
        let mut command = Command::new(programs::find("redis-server", "redis-server"));
        let (folder, port) = (self.folder.path(), self.port.to_string());
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(folder);
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        let mut process = Process::start("Redis", &mut command, &folder.join("log"), Signal::KILL, folder);
        process.wait_until("answering", || self.ask(&["PING"]).is_some_and(|answer| answer == "+PONG"));
        self.process = Some(process);
    }

    /// Stops its time: it holds its connections, and answers nobody.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets its time go on.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// The first line of its answer to a command, over a connection of its own.
    pub fn ask(&self, words: &[&str]) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.port.address(), PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut text = String::new();
        if let Some(password) = &self.password {
            write_command(&mut text, &["AUTH", password]);
        }
        write_command(&mut text, words);
        stream.write_all(text.as_bytes()).ok()?;
        if self.password.is_some() {
            line(&mut stream)?;
        }
        line(&mut stream)
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("it runs");
        rustix::process::kill_process(process.pid(), signal).expect("it is there");
    }
}

fn write_command(text: &mut String, words: &[&str]) {
    // Writing to a String can't fail.
    let _ = write!(text, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(text, "${}\r\n{word}\r\n", word.len());
    }
}

/// Up to the end of a line.
fn line(stream: &mut TcpStream) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).ok()? == 1 {
        match byte[0] {
            b'\n' => return String::from_utf8(line).ok(),
            b'\r' => {}
            other => line.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_when_it_is_killed_and_only_then() {
        let mut redis = Redis::start_locked("hush");
        assert_eq!(redis.ask(&["INCR", "n"]).as_deref(), Some(":1"));
        redis.freeze();
        redis.thaw();
        assert_eq!(redis.ask(&["INCR", "n"]).as_deref(), Some(":2"));
        redis.kill();
        assert_eq!(redis.ask(&["PING"]), None);
        redis.start_again();
        assert_eq!(redis.ask(&["INCR", "n"]).as_deref(), Some(":1"));
        assert!(redis.url().contains(":hush@"));
    }
}
