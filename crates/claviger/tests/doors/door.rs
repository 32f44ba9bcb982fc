//! The doors, each as whoever stands before it asks.

use claviger_client::reqwest::{RequestBuilder, Response};
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
}

pub(super) const DOORS: [Door; 8] = [
    Door::Verify,
    Door::VerifyBatch,
    Door::Forwarded,
    Door::Original,
    Door::AuthRequest,
    Door::Nginx,
    Door::Caddy,
    Door::Gateway,
];

/// What a door answered. Behind Caddy and the gateway a good call has its upstream's answer, and no code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) code: Option<String>,
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
            Self::Nginx | Self::Caddy | Self::Gateway => told(self.request(scene, question).await),
        }
    }

    /// Whether it can be asked this: the gateway asks for no permission, and its listener is told the Environment.
    pub(super) fn can_be_asked(self, question: &Question<'_>) -> bool {
        let told = matches!(question.environment, None | Some("sandbox"));
        self != Self::Gateway || (question.permissions.is_empty() && told)
    }

    /// What it must answer.
    pub(super) fn expected(self, question: &Question<'_>) -> Answer {
        let silent = matches!(self, Self::Caddy | Self::Gateway) && question.code == "valid";
        let code = (!silent).then(|| question.code.to_owned());
        let status = match self {
            Self::Verify | Self::VerifyBatch => 200,
            Self::AuthRequest if !matches!(question.status, 200 | 401) => 403,
            _ => question.status,
        };
        Answer { status, code }
    }

    async fn request(self, scene: &Scene, question: &Question<'_>) -> Response {
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
            Self::Verify | Self::VerifyBatch => unreachable!("asked in JSON"),
        };
        let request = question.present(scene.http.get(address)).header("x-forwarded-for", question.ip);
        let request = match self {
            Self::Forwarded => {
                request.header("x-forwarded-method", "GET").header("x-forwarded-uri", "/orders/42")
            }
            Self::Original | Self::AuthRequest => {
                request.header("x-original-method", "GET").header("x-original-uri", "/orders/42")
            }
            _ => request,
        };
        request.send().await.unwrap()
    }
}

impl Question<'_> {
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
            Presented::Pair((key, secret)) | Presented::Basic((key, secret)) => {
                json!({ "key": key, "secret": secret })
            }
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
        }
    }
}

/// A decision in JSON: it must agree with itself.
fn decision(body: &Value) -> Answer {
    let code = body["code"].as_str().unwrap().to_owned();
    assert_eq!(body["allowed"], code == "valid", "{body}");
    Answer { status: 200, code: Some(code) }
}

fn told(response: Response) -> Answer {
    let code = response.headers().get("x-claviger-code");
    Answer { status: response.status().as_u16(), code: code.map(|code| code.to_str().unwrap().to_owned()) }
}
