//! What a site would wire up in place of the gateway. nginx and HAProxy with a static map of keys ask nobody; nginx,
//! Caddy and Envoy as their guides have them (docs/) ask the server at each call. All of them do the gateway's
//! job: they look at the key, tell the upstream who calls and where from, and keep the key from it. One worker
//! each, no log of calls, connections to the upstream kept open.

use std::fmt::{Debug, Write as _};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use claviger_testkit::{Caddy, Envoy, HaProxy, Nginx, Port, free_port, locate};

use super::http::Exchange;
use super::keys::mistyped;
use super::rivals::Rival;
use super::stage::{ORDER, get};
use super::upstream::BODY;
use crate::shell::{self, say};

/// What they stand between.
pub(super) struct Scene<'a> {
    pub(super) keys: &'a [String],
    pub(super) upstream: SocketAddr,
    /// Console, REST API and forward-auth.
    pub(super) server: SocketAddr,
    pub(super) ext_authz: SocketAddr,
    pub(super) server_process: u32,
}

pub(super) const NGINX_MAP: &str = "nginx, map of keys + proxy_pass";
pub(super) const HAPROXY_MAP: &str = "HAProxy, map of keys + proxy";
pub(super) const NGINX_ASKS: &str = "nginx auth_request + proxy_pass";
pub(super) const CADDY_ASKS: &str = "Caddy forward_auth + reverse_proxy";
pub(super) const ENVOY_ASKS: &str = "Envoy ext_authz + proxy";

/// Those whose programs are here; the others are named, with what to install.
pub(super) fn start(scene: &Scene<'_>) -> Result<Vec<Rival>> {
    let mut started = Vec::new();
    if is_here("nginx", "apt-get install nginx") {
        started.push(scene.nginx_map()?);
        started.push(scene.nginx_asks()?);
    }
    if is_here("haproxy", "apt-get install haproxy") {
        started.push(scene.haproxy_map()?);
    }
    if is_here("caddy", "apt-get install caddy") {
        started.push(scene.caddy_asks()?);
    }
    match envoy() {
        Some(program) => started.push(scene.envoy_asks(&program)?),
        None => left_out("envoy", "`cargo xtask test` installs it beside the builds"),
    }
    Ok(started)
}

fn is_here(program: &str, remedy: &str) -> bool {
    let here = locate(program).is_some();
    if !here {
        left_out(program, remedy);
    }
    here
}

fn left_out(program: &str, remedy: &str) {
    say(&format!("   left out, for there is no `{program}`: {remedy}"));
}

fn envoy() -> Option<PathBuf> {
    let beside_the_builds = shell::target_folder().join("tools/envoy/bin/envoy");
    locate("envoy").or_else(|| beside_the_builds.is_file().then_some(beside_the_builds))
}

impl Scene<'_> {
    fn nginx_map(&self) -> Result<Rival> {
        let mut map = String::from(
            "map_hash_max_size 8192;\nmap_hash_bucket_size 128;\nmap $http_x_api_key $application {\n",
        );
        for (at, key) in self.keys.iter().enumerate() {
            writeln!(map, "{key} shop-{at};")?;
        }
        let port = free_port();
        let configuration = format!(
            r#"{map}}}
{}
server {{
    listen {};
    access_log off;
    keepalive_requests 1000000000;
    location /orders/ {{
        if ($application = "") {{ return 401; }}
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header X-API-Key "";
        proxy_set_header X-Claviger-Application $application;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_pass http://upstream/;
    }}
}}"#,
            kept_open("upstream", self.upstream),
            port.address()
        );
        let nginx = Nginx::start(&configuration, &port);
        let processes = vec![nginx.process_id()];
        Ok(self.rival(NGINX_MAP, processes, port, nginx))
    }

    fn haproxy_map(&self) -> Result<Rival> {
        let mut map = String::new();
        for (at, key) in self.keys.iter().enumerate() {
            writeln!(map, "{key} shop-{at}")?;
        }
        let port = free_port();
        let configuration = format!(
            r"global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend callers
    bind {}
    http-request set-var(txn.application) req.hdr(x-api-key),map_str(keys.map)
    http-request deny deny_status 401 unless {{ var(txn.application) -m found }}
    http-request del-header x-api-key
    http-request set-header x-claviger-application %[var(txn.application)]
    http-request set-header x-forwarded-for %[src]
    http-request set-header x-forwarded-host %[req.hdr(host)]
    http-request set-header x-forwarded-proto http
    http-request replace-path /orders(/.*) \1
    default_backend upstream
backend upstream
    server one {}
",
            port.address(),
            self.upstream
        );
        let haproxy = HaProxy::start(&configuration, &[("keys.map", &map)], &port);
        let processes = vec![haproxy.process_id()];
        Ok(self.rival(HAPROXY_MAP, processes, port, haproxy))
    }

    /// As its guide has it, with connections that are kept, and with the headers that the server reads unless it
    /// is told otherwise.
    fn nginx_asks(&self) -> Result<Rival> {
        let port = free_port();
        let kept =
            "proxy_http_version 1.1;\n        proxy_set_header Connection \"\";\n        proxy_pass http";
        let server = from_the_guide(
            "nginx",
            "nginx",
            &[
                (
                    "listen 127.0.0.1:8080;",
                    &format!(
                        "listen {};\n    access_log off;\n    keepalive_requests 1000000000;",
                        port.address()
                    ),
                ),
                ("proxy_pass http", kept),
                ("http://127.0.0.1:9000", "http://upstream"),
                ("http://127.0.0.1:7700", "http://claviger"),
                ("X-Original-Method", "X-Forwarded-Method"),
                ("X-Original-URI", "X-Forwarded-Uri"),
            ],
        )?;
        let configuration =
            [kept_open("upstream", self.upstream), kept_open("claviger", self.server), server].join("\n");
        let nginx = Nginx::start(&configuration, &port);
        let processes = vec![nginx.process_id(), self.server_process];
        Ok(self.rival(NGINX_ASKS, processes, port, nginx))
    }

    fn caddy_asks(&self) -> Result<Rival> {
        let port = free_port();
        let caddyfile = from_the_guide(
            "caddy",
            "caddyfile",
            &[
                ("127.0.0.1:8080", &port.address().to_string()),
                ("127.0.0.1:7700", &self.server.to_string()),
                ("127.0.0.1:9000", &self.upstream.to_string()),
            ],
        )?;
        let caddy = Caddy::start(&caddyfile, &port);
        let processes = vec![caddy.process_id(), self.server_process];
        Ok(self.rival(CADDY_ASKS, processes, port, caddy))
    }

    fn envoy_asks(&self, program: &std::path::Path) -> Result<Rival> {
        let port = free_port();
        let bootstrap = from_the_guide(
            "envoy",
            "yaml",
            &[
                ("port_value: 8080 ", &format!("port_value: {port} ")),
                ("port_value: 7702 ", &format!("port_value: {} ", self.ext_authz.port())),
                ("port_value: 9000 ", &format!("port_value: {} ", self.upstream.port())),
            ],
        )?;
        let envoy = Envoy::start_program(program, &bootstrap, &port);
        let processes = vec![envoy.process_id(), self.server_process];
        Ok(self.rival(ENVOY_ASKS, processes, port, envoy))
    }

    fn rival(
        &self,
        name: &'static str,
        processes: Vec<u32>,
        port: Port,
        program: impl Debug + 'static,
    ) -> Rival {
        let address = port.address();
        let key = &self.keys[self.keys.len() / 2];
        let (bytes, expected) = (get(ORDER, key), BODY.to_owned());
        let exchange = Exchange { address, bytes, status: 200, expected };
        let refusal = Exchange {
            bytes: get(ORDER, &mistyped(key)),
            status: 401,
            expected: "401".to_owned(),
            ..exchange.clone()
        };
        let program: Box<dyn Debug> = Box::new((program, port));
        Rival { name, processes, exchange, refusal: Some(refusal), passes_on: true, _program: Some(program) }
    }
}

/// An upstream of nginx to which connections stay open.
fn kept_open(name: &str, address: SocketAddr) -> String {
    format!("upstream {name} {{ server {address}; keepalive 256; keepalive_requests 1000000000; }}")
}

/// The block of a guide in this language, with what it shows replaced.
fn from_the_guide(guide: &str, language: &str, replaced: &[(&str, &str)]) -> Result<String> {
    let page = format!("docs/{guide}.md");
    let text = fs::read_to_string(shell::root().join(&page)).with_context(|| page.clone())?;
    let begin = format!("```{language}\n");
    let block = text.split(&begin).nth(1).and_then(|rest| rest.split("```").next());
    let mut block = block.with_context(|| format!("{page} has no {language}"))?.to_owned();
    for (shown, real) in replaced {
        ensure!(block.contains(shown), "{page} does not say {shown}");
        block = block.replace(shown, real);
    }
    Ok(block)
}
