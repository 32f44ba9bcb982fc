//! `git clone` and `git push` over HTTP: the requests of a program that nobody wrote for a gateway.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use claviger_testkit::Output;

use super::installation::{Installation, claviger};

/// Git as a test runs it: nobody's configuration.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", folder);
    for (name, value) in [("AUTHOR_NAME", "Ada"), ("AUTHOR_EMAIL", "ada@example.org")] {
        command.env(format!("GIT_{name}"), value);
        command.env(format!("GIT_{}", name.replace("AUTHOR", "COMMITTER")), value);
    }
    command
}

fn run(command: &mut Command) -> Output {
    let output = Output::of(command, "");
    output.demand_success("git");
    output
}

/// `git http-backend` behind the least HTTP server that can run it.
fn serve(root: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let root = root.clone();
            thread::spawn(move || answer(&stream, &root));
        }
    });
    address
}

/// Answers one request and ends the connection.
fn answer(stream: &TcpStream, root: &Path) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        head.iter().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let words: Vec<&str> = head[0].split(' ').collect();
    let (path, query) = words[1].split_once('?').unwrap_or((words[1], ""));
    let body = body(&mut reader, &header);
    let mut backend = git(root);
    backend.args(["http-backend"]).env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("REQUEST_METHOD", words[0]).env("PATH_INFO", path).env("QUERY_STRING", query);
    backend.env("CONTENT_LENGTH", body.len().to_string()).env("REMOTE_USER", "ada");
    for (name, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = header(name) {
            backend.env(variable, value);
        }
    }
    let mut running = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    thread::spawn(move || input.write_all(&body));
    let output = running.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let said = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = said.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut stream = stream;
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n");
    let _ = stream.write_all(&output);
}

fn body(reader: &mut impl std::io::BufRead, header: &impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            reader.read_exact(&mut chunk).unwrap();
            if length == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    body.resize(length, 0);
    reader.read_exact(&mut body).unwrap();
    body
}

#[test]
fn git_clones_and_pushes_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let origin = folder.path().join("origin.git");
    run(git(folder.path()).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&origin));
    run(git(&origin).args(["config", "http.receivepack", "true"]));
    let address = serve(folder.path().to_owned());
    let installation = Installation::new(claviger(), &format!("http://{address}"));
    let url = format!("{}/behind/origin.git", installation.server.gateway_url());
    let with_key = format!("http.extraHeader=X-API-Key: {}", installation.key);
    let work = folder.path().join("work");
    run(git(folder.path()).args(["init", "--quiet", "--initial-branch=main"]).arg(&work));
    // Large enough to be sent in chunks, and no text that packs well.
    let noise: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    fs::write(work.join("noise"), &noise).unwrap();
    run(git(&work).args(["add", "noise"]));
    run(git(&work).args(["commit", "--quiet", "--message", "Noise"]));
    run(git(&work).args(["-c", &with_key, "push", "--quiet", &url, "main"]));
    run(git(folder.path()).args(["-c", &with_key, "clone", "--quiet", &url, "again"]));
    assert!(fs::read(folder.path().join("again/noise")).unwrap() == noise, "it came back as it went");
    installation.act("revoke");
    let refused =
        Output::of(git(folder.path()).args(["-c", &with_key, "clone", "--quiet", &url, "never"]), "");
    assert!(!refused.status.success(), "{}", refused.stderr);
}
