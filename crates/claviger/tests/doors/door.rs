//! The doors, each as whoever stands before it asks.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_client::reqwest::{RequestBuilder, Response};
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use serde_json::{Value, json};

use super::scene::Scene;

/// One row of the table: what is asked, and the one answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) api: &'a str,
    pub(super) environment: Option<&'a str>,
    pub(super) permissions: &'a [&'a str],
    pub(super) presented: Presented<'a>,
    pub(super) ip: &'a str,
    pub(super) code: &'a str,
    /// What an HTTP caller gets.
    pub(super) status: u16,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Presented<'a> {
    Nothing,
    Key(&'a str),
    Pair(&'a (String, String)),
    Basic(&'a (String, String)),
    /// Key and secret in the headers of the preset `ibm`.
    Ibm(&'a (String, String)),
    /// The secret alone.
    Secret(&'a str),
}

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Verify,
    VerifyBatch,
    /// Forward-auth as Caddy and Traefik ask.
    Forwarded,
    /// Forward-auth as nginx asks, but for its want of other statuses than 401 and 403.
    Original,
    /// Forward-auth as nginx asks.
    AuthRequest,
    Nginx,
    Caddy,
    /// The built-in one.
    Gateway,
    /// Envoy's question, from a client of gRPC.
    ExtAuthz,
    Envoy,
    /// The layer in a server of one's own.
    Library,
}

pub(super) const DOORS: [Door; 11] = [
    Door::Verify,
    Door::VerifyBatch,
    Door::Forwarded,
    Door::Original,
    Door::AuthRequest,
    Door::Nginx,
    Door::Caddy,
    Door::Gateway,
    Door::ExtAuthz,
    Door::Envoy,
    Door::Library,
];

/// What a door answered. Behind Caddy, Envoy, the gateway and the layer a good call has its upstream's answer, and no
/// code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) code: Option<String>,
    /// Whether it tells what position of the log was decided by.
    pub(super) as_of: bool,
}

impl Door {
    /// Asks.
    pub(super) async fn ask(self, scene: &Scene, question: &Question<'_>) -> Answer {
        match self {
            Self::Verify => {
                let call = scene.node.client.post("/v1/verify").body(&question.body());
                decision(&call.send::<Value>().await.unwrap().body)
            }
            Self::VerifyBatch => {
                // Between two others, so that answers that change places show.
                let none = json!({ "api": "nowhere" });
                let body = json!({ "items": [none, question.body(), none] });
                let call = scene.node.client.post("/v1/verify/batch").body(&body);
                let body = call.send::<Value>().await.unwrap().body;
                assert_eq!(body["items"].as_array().unwrap().len(), 3);
                decision(&body["items"][1])
            }
            Self::Forwarded => told(self.request(scene, question).await),
            Self::Original | Self::AuthRequest => told(self.request(scene, question).await),
            Self::Nginx | Self::Caddy | Self::Gateway | Self::Envoy | Self::Library => {
                told(self.request(scene, question).await)
            }
            Self::ExtAuthz => {
                let address = scene.node.server.ext_authz_url();
                let mut client = AuthorizationClient::connect(address).await.unwrap();
                checked(client.check(question.check()).await.unwrap().into_inner())
            }
        }
    }

    /// Whether it can be asked this: the gateway asks for no permission, and its listener is told the Environment.
    pub(super) fn can_be_asked(self, question: &Question<'_>) -> bool {
        let told = matches!(question.environment, None | Some("sandbox"));
        self != Self::Gateway || (question.permissions.is_empty() && told)
    }

    /// What it must answer.
    pub(super) fn expected(self, question: &Question<'_>) -> Answer {
        let passes = question.code == "valid";
        let has_no_code = [Self::Caddy, Self::Gateway, Self::ExtAuthz, Self::Envoy, Self::Library];
        let silent = has_no_code.contains(&self) && passes;
        let code = (!silent).then(|| question.code.to_owned());
        // nginx makes an answer of its own, and Caddy passes on the upstream's.
        let as_of = !(self == Self::Nginx || (self == Self::Caddy && passes));
        let status = match self {
            Self::Verify | Self::VerifyBatch => 200,
            Self::AuthRequest if !matches!(question.status, 200 | 401) => 403,
            _ => question.status,
        };
        Answer { status, code, as_of }
    }

    pub(super) async fn request(self, scene: &Scene, question: &Question<'_>) -> Response {
        let (one, other) = (scene.node.server.url(), scene.other_node.server.url());
        let query = question.query();
        let address = match self {
            Self::Forwarded => format!("{one}/v1/forward-auth?{query}"),
            Self::Original => format!("{other}/v1/forward-auth?{query}"),
            Self::AuthRequest => format!("{other}/v1/forward-auth?{query}&errors=auth_request"),
            Self::Nginx => format!("http://{}/orders/42?{query}", scene.nginx.address()),
            Self::Caddy => format!("http://{}/orders/42?{query}", scene.caddy.address()),
            Self::Gateway => {
                let told = question.environment.is_some();
                let server = if told { &scene.other_node.server } else { &scene.node.server };
                format!("{}/{}/42", server.gateway_url(), question.api)
            }
            Self::Envoy => format!("http://{}/orders/42", scene.envoy.address()),
            Self::Library => scene.library.url(question.api, question.environment, question.permissions),
            Self::Verify | Self::VerifyBatch => unreachable!("asked in JSON"),
            Self::ExtAuthz => unreachable!("asked over gRPC"),
        };
        let request = question.present(scene.http.get(address)).header("x-forwarded-for", question.ip);
        let request = match self {
            Self::Forwarded => {
                request.header("x-forwarded-method", "GET").header("x-forwarded-uri", "/orders/42")
            }
            Self::Original | Self::AuthRequest => {
                request.header("x-original-method", "GET").header("x-original-uri", "/orders/42")
            }
            Self::Envoy => request.header(ROUTE, question.route()),
            _ => request,
        };
        request.send().await.unwrap()
    }
}

/// Names the route of a call through Envoy: what is asked stands in Envoy's configuration.
pub(super) const ROUTE: &str = "x-route";

impl Question<'_> {
    /// Where Envoy's configuration asks this.
    pub(super) fn route(&self) -> String {
        route(self.api, self.environment, self.permissions)
    }

    /// What Envoy would ask.
    fn check(&self) -> CheckRequest {
        let told = [
            ("api", Some(self.api.to_owned())),
            ("environment", self.environment.map(str::to_owned)),
            ("permissions", (!self.permissions.is_empty()).then(|| self.permissions.join(","))),
        ];
        let told = told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let caller = SocketAddress { address: self.ip.to_owned(), ..SocketAddress::default() };
        let address = Address { address: Some(Kind::SocketAddress(caller)) };
        let http = HttpRequest {
            method: "GET".to_owned(),
            path: "/orders/42".to_owned(),
            headers: self.headers(),
            ..HttpRequest::default()
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer { address: Some(address), ..Peer::default() }),
                request: Some(Request { http: Some(http), ..Request::default() }),
                context_extensions: told.collect(),
                ..AttributeContext::default()
            }),
        }
    }

    fn headers(&self) -> HashMap<String, String> {
        let named = |fields: &[(&str, &str)]| -> HashMap<String, String> {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        match self.presented {
            Presented::Nothing => named(&[(":path", "/orders/42")]),
            Presented::Key(key) => named(&[("x-api-key", key)]),
            Presented::Pair((key, secret)) => named(&[("x-api-key", key), ("x-api-secret", secret)]),
            Presented::Basic((name, password)) => {
                let credential = STANDARD.encode(format!("{name}:{password}"));
                named(&[("authorization", &format!("Basic {credential}"))])
            }
            Presented::Ibm((key, secret)) => {
                named(&[("x-ibm-client-id", key), ("x-ibm-client-secret", secret)])
            }
            Presented::Secret(secret) => named(&[("x-api-secret", secret)]),
        }
    }

    fn query(&self) -> String {
        let mut query = format!("api={}", self.api);
        if let Some(environment) = self.environment {
            query.push_str(&format!("&environment={environment}"));
        }
        if !self.permissions.is_empty() {
            query.push_str(&format!("&permissions={}", self.permissions.join(",")));
        }
        query
    }

    fn body(&self) -> Value {
        let credential = match self.presented {
            Presented::Nothing => json!({}),
            Presented::Key(key) => json!({ "key": key }),
            Presented::Pair((key, secret))
            | Presented::Basic((key, secret))
            | Presented::Ibm((key, secret)) => json!({ "key": key, "secret": secret }),
            Presented::Secret(secret) => json!({ "secret": secret }),
        };
        let mut body = json!({ "api": self.api, "credential": credential, "ip": self.ip });
        if let Some(environment) = self.environment {
            body["environment"] = environment.into();
        }
        if !self.permissions.is_empty() {
            body["permissions"] = self.permissions.into();
        }
        body
    }

    fn present(&self, request: RequestBuilder) -> RequestBuilder {
        match self.presented {
            Presented::Nothing => request,
            Presented::Key(key) => request.header("x-api-key", key),
            Presented::Pair((key, secret)) => request.header("x-api-key", key).header("x-api-secret", secret),
            Presented::Basic((name, password)) => request.basic_auth(name, Some(password)),
            Presented::Ibm((key, secret)) => {
                request.header("x-ibm-client-id", key).header("x-ibm-client-secret", secret)
            }
            Presented::Secret(secret) => request.header("x-api-secret", secret),
        }
    }
}

pub(super) fn route(api: &str, environment: Option<&str>, permissions: &[&str]) -> String {
    format!("{api}|{}|{}", environment.unwrap_or_default(), permissions.join(","))
}

/// What Envoy would be told.
fn checked(response: CheckResponse) -> Answer {
    let code = response.status.unwrap().code;
    match response.http_response.unwrap() {
        HttpResponse::OkResponse(passed) => {
            assert_eq!(code, 0);
            let mut added = passed.response_headers_to_add.into_iter().map(|option| option.header.unwrap());
            let as_of = added.find(|header| header.key == AS_OF).map(|header| header.value);
            Answer { status: 200, code: None, as_of: is_position(as_of) }
        }
        HttpResponse::DeniedResponse(denied) => {
            assert_ne!(code, 0);
            let headers: Vec<_> = denied.headers.into_iter().map(|option| option.header.unwrap()).collect();
            let told = |name: &str| headers.iter().find(|it| it.key == name).map(|it| it.value.clone());
            let status = denied.status.unwrap().code.try_into().unwrap();
            Answer { status, code: told("x-claviger-code"), as_of: is_position(told(AS_OF)) }
        }
        HttpResponse::ErrorResponse(error) => panic!("{error:?}"),
    }
}

/// A decision in JSON: it must agree with itself.
fn decision(body: &Value) -> Answer {
    let code = body["code"].as_str().unwrap().to_owned();
    assert_eq!(body["allowed"], code == "valid", "{body}");
    Answer { status: 200, code: Some(code), as_of: body["as_of"].is_u64() }
}

fn told(response: Response) -> Answer {
    let text = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
    let (code, as_of) = (text("x-claviger-code"), is_position(text(AS_OF)));
    Answer { status: response.status().as_u16(), code, as_of }
}

const AS_OF: &str = "x-claviger-as-of";

/// All that the table asks about happened by then.
fn is_position(text: Option<String>) -> bool {
    text.and_then(|text| text.parse::<u64>().ok()).is_some_and(|position| position > 10)
}
