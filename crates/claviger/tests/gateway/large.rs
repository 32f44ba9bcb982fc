//! A gibibyte up and a gibibyte down, as curl sends and takes it: the server's memory does not grow with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use super::installation::{Installation, claviger};

const GIBIBYTE: u64 = 1 << 30;
/// More than buffers of both sides take, and a small part of what passes.
const MOST_MEMORY: u64 = 48 << 20;

/// An upstream that counts what it is sent, and sends a gibibyte of zeros to who sends nothing.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    if length > 0 {
        let counted = std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
        let body = counted.to_string();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        return;
    }
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {GIBIBYTE}\r\n\r\n");
    let _ = std::io::copy(&mut std::io::repeat(0).take(GIBIBYTE), &mut stream);
}

/// The most memory that the process has ever had, in bytes.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_gibibyte_goes_up_and_comes_down_with_memory_flat() {
    let installation = Installation::new(claviger(), &format!("http://{}", serve()));
    let url = format!("{}/behind/large", installation.server.gateway_url());
    let key = format!("X-API-Key: {}", installation.key);
    let before = most_memory(installation.server.process_id());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zeros");
    fs::File::create(&file).unwrap().set_len(GIBIBYTE).unwrap();
    let sent = Command::new("curl").args(["-s", "-H", &key, "-T"]).arg(&file).arg(&url).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sent.stdout), GIBIBYTE.to_string());
    let mut curl =
        Command::new("curl").args(["-s", "-H", &key, &url]).stdout(Stdio::piped()).spawn().unwrap();
    let received = std::io::copy(&mut curl.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert!(curl.wait().unwrap().success());
    assert_eq!(received, GIBIBYTE);
    let grown = most_memory(installation.server.process_id()) - before;
    assert!(grown < MOST_MEMORY, "it grew by {} MiB", grown >> 20);
}
