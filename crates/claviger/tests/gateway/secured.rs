//! TLS in and out: a certificate in files that is replaced while the server runs, and an upstream that is believed by
//! an authority of one's own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use claviger_testkit::{Nginx, Output, Upstream, free_port};

use super::installation::{Installation, claviger};

/// A certificate for this machine, signed by itself.
fn certify(folder: &Path, name: &str, subject: &str) {
    let output = Output::of(
        Command::new("openssl").current_dir(folder).args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN={subject}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ]),
        "",
    );
    output.demand_success("openssl");
}

/// What curl says: status, version of HTTP, and the name on the certificate.
fn call(installation: &Installation, authority: &Path, arguments: &[&str]) -> String {
    let url = installation.server.gateway_url().replace("http://", "https://");
    let output = Output::of(
        Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--cacert"])
            .arg(authority)
            .args(["-H", &format!("X-API-Key: {}", installation.key)])
            .args(arguments)
            .arg(format!("{url}/behind/x")),
        "",
    );
    output.stdout
}

#[test]
fn a_certificate_is_replaced_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    certify(folder.path(), "one", "one");
    certify(folder.path(), "other", "other");
    for end in ["pem", "key"] {
        std::fs::copy(file(&format!("one.{end}")), file(&format!("live.{end}"))).unwrap();
    }
    let upstream = Upstream::start();
    let claviger = claviger()
        .with_variable("CLAVIGER_GATEWAY__CERTIFICATE_FILE", file("live.pem"))
        .with_variable("CLAVIGER_GATEWAY__KEY_FILE", file("live.key"));
    let mut installation = Installation::new(claviger, &upstream.url());
    assert_eq!(call(&installation, &file("one.pem"), &[]), "200 2");
    assert_eq!(call(&installation, &file("one.pem"), &["--http1.1"]), "200 1.1");
    assert_eq!(call(&installation, &file("other.pem"), &[]), "000 0");
    assert_eq!(upstream.seen()[0].header("x-forwarded-proto"), Some("https"));
    // A key that does not fit is told, and the old certificate stays.
    std::fs::copy(file("other.key"), file("live.key")).unwrap();
    installation.server.wait_for_log("the old certificate stays");
    assert_eq!(call(&installation, &file("one.pem"), &[]), "200 2");
    std::fs::copy(file("other.pem"), file("live.pem")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    while call(&installation, &file("other.pem"), &[]) != "200 2" {
        assert!(Instant::now() < deadline, "the new certificate is not used");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(call(&installation, &file("one.pem"), &[]), "000 0");
}

#[test]
fn an_upstream_is_believed_by_an_authority_of_ones_own_and_else_not_called() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    certify(folder.path(), "upstream", "upstream");
    let (behind, port) = (Upstream::start(), free_port());
    let configuration = format!(
        "server {{ listen {} ssl http2; ssl_certificate {}; ssl_certificate_key {};\n\
         location / {{ proxy_set_header X-Version $server_protocol; proxy_pass {}; }} }}",
        port.address(),
        file("upstream.pem").display(),
        file("upstream.key").display(),
        behind.url()
    );
    let _nginx = Nginx::start(&configuration, &port);
    for (believed, status) in [(true, "200"), (false, "502")] {
        let mut claviger = claviger();
        if believed {
            claviger = claviger.with_variable("CLAVIGER_GATEWAY__UPSTREAM_CA_FILE", file("upstream.pem"));
        }
        let installation = Installation::new(claviger, &format!("https://{}", port.address()));
        let output = Output::of(
            Command::new("curl")
                .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H"])
                .arg(format!("X-API-Key: {}", installation.key))
                .arg(format!("{}/behind/x", installation.server.gateway_url())),
            "",
        );
        assert_eq!(output.stdout, status, "believed: {believed}");
    }
    let seen = behind.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("x-version"), Some("HTTP/2.0"), "what TLS agreed on");
}
