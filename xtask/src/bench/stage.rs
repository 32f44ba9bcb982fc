//! The stage: the release build of the server with a thousand keys, the baseline beside it and the proxies that are
//! installed, all on the first core; the load and the upstream on the second.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use claviger_testkit::{Claviger, Server};
use serde_json::json;

use super::accounting::move_to;
use super::baseline::Baseline;
use super::http::{Connection, Exchange, address_of, bearer, request};
use super::keys::{self, mistyped};
use super::proxies::{self, Scene};
use super::rivals::Rival;
use super::upstream::{BODY, Upstream};
use crate::shell::{self, cargo, run, say};

const SERVERS: usize = 0;
const SENDERS: usize = 1;

pub(super) const VERIFY: &str = "POST /v1/verify";
pub(super) const FORWARD_AUTH: &str = "forward-auth";
pub(super) const GATEWAY: &str = "gateway";
pub(super) const OPEN_GATEWAY: &str = "gateway, an API that asks for no key";
/// What callers of a proxy ask for.
pub(super) const ORDER: &str = "/orders/17";

/// What was built.
pub(super) struct Built {
    server: PathBuf,
    baseline: PathBuf,
}

pub(super) fn build() -> Result<Built> {
    run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "-p",
        "claviger",
        "--bin",
        "claviger",
        "--example",
        "baseline",
    ]))?;
    let folder = shell::target_folder().join("release");
    Ok(Built { server: folder.join("claviger"), baseline: folder.join("examples/baseline") })
}

/// All servers, running.
pub(super) struct Stage {
    pub(super) rivals: Vec<Rival>,
    pub(super) upstream: Upstream,
    pub(super) keys: Vec<String>,
    // The servers end before their data goes.
    _server: Server,
    _baseline: Baseline,
    _data: Claviger,
}

impl Stage {
    pub(super) fn set(built: &Built) -> Result<Self> {
        let cores = thread::available_parallelism()?.get();
        ensure!(cores > SENDERS, "the load needs a core of its own: this machine has {cores}");
        move_to(SERVERS)?;
        let upstream = Upstream::start()?;
        // The log as the documentation has it for production: no line for each call that is decided.
        let claviger = Claviger::new(&built.server);
        let owner = claviger.init();
        let server = claviger.serve();
        let main = address_of(&server.url())?;
        let keys = keys::make(main, &owner.service_key, upstream.address())?;
        let doors = Doors {
            server: &server,
            main,
            service_key: &owner.service_key,
            key: keys.first().context("a key")?,
        };
        let (verify, forward_auth) = (doors.verify(), doors.forward_auth());
        let answer = Connection::open(main)?.exchange(&verify.exchange.bytes)?;
        say(&format!("   verify answers {} bytes of body", answer.body.len()));
        let baseline = Baseline::start(&built.baseline, &answer.body)?;
        let asked = &forward_auth.exchange.bytes;
        let (hello, served_hello) = (baseline.hello(asked), baseline.served_hello(asked));
        let echo = baseline.echo(&verify.exchange.bytes);
        let mut rivals = vec![verify, echo, forward_auth, hello, served_hello];
        rivals.extend([doors.gateway()?, doors.open_gateway()?]);
        rivals.extend(proxies::start(&Scene {
            keys: &keys,
            upstream: upstream.address(),
            server: main,
            ext_authz: address_of(&server.ext_authz_url())?,
            server_process: server.process_id(),
        })?);
        move_to(SENDERS)?;
        // The keeper, which deciding never asks, stays where it is.
        Ok(Self { rivals, upstream, keys, _server: server, _baseline: baseline, _data: claviger })
    }
}

/// The server's own doors.
struct Doors<'a> {
    server: &'a Server,
    main: SocketAddr,
    service_key: &'a str,
    key: &'a str,
}

impl Doors<'_> {
    fn verify(&self) -> Rival {
        let ask = |key: &str| {
            let question = json!({ "credential": { "key": key }, "api": "orders" }).to_string();
            request("POST", "/v1/verify", &[("authorization", &bearer(self.service_key))], &question)
        };
        let good = self.exchange(ask(self.key), 200, "\"code\":\"valid\"");
        let bad = self.exchange(ask(&mistyped(self.key)), 200, "\"code\":\"malformed\"");
        self.rival(VERIFY, good, Some(bad), false)
    }

    fn forward_auth(&self) -> Rival {
        let ask = |key: &str| {
            let about = [
                ("x-api-key", key),
                ("x-forwarded-method", "GET"),
                ("x-forwarded-uri", ORDER),
                ("x-forwarded-for", "192.0.2.1"),
            ];
            request("GET", "/v1/forward-auth?api=orders", &about, "")
        };
        let good = self.exchange(ask(self.key), 200, "x-claviger-code: valid");
        let bad = self.exchange(ask(&mistyped(self.key)), 401, "x-claviger-code: malformed");
        self.rival(FORWARD_AUTH, good, Some(bad), false)
    }

    fn gateway(&self) -> Result<Rival> {
        let address = address_of(&self.server.gateway_url())?;
        let good = Exchange { address, ..self.exchange(get(ORDER, self.key), 200, BODY) };
        let bad = Exchange {
            address,
            ..self.exchange(get(ORDER, &mistyped(self.key)), 401, "x-claviger-code: malformed")
        };
        Ok(self.rival(GATEWAY, good, Some(bad), true))
    }

    /// The same call without a key: a header of the same length stands in its place, and goes on as any other does.
    fn open_gateway(&self) -> Result<Rival> {
        let address = address_of(&self.server.gateway_url())?;
        let bytes = get_with("/open/17", ("x-colour", &"0".repeat(self.key.len())));
        let good = Exchange { address, ..self.exchange(bytes, 200, BODY) };
        Ok(self.rival(OPEN_GATEWAY, good, None, true))
    }

    fn exchange(&self, bytes: Vec<u8>, status: u16, expected: &str) -> Exchange {
        Exchange { address: self.main, bytes, status, expected: expected.to_owned() }
    }

    fn rival(
        &self,
        name: &'static str,
        exchange: Exchange,
        refusal: Option<Exchange>,
        passes_on: bool,
    ) -> Rival {
        let processes = vec![self.server.process_id()];
        Rival { name, processes, exchange, refusal, passes_on, _program: None }
    }
}

/// A call with a key.
pub(super) fn get(path: &str, key: &str) -> Vec<u8> {
    get_with(path, ("x-api-key", key))
}

/// A call as an HTTP library sends it.
fn get_with(path: &str, header: (&str, &str)) -> Vec<u8> {
    let usual = [("user-agent", "claviger-bench/1"), ("accept", "application/json")];
    request("GET", path, &[usual[0], usual[1], header], "")
}
