//! What visitors of the portal try goes through the gateway as any call does: decided, counted, passed on without the
//! key, bounded, and never anywhere else (product.md C5).

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use claviger_client::{Client, Error, reqwest::Method};
use claviger_testkit::Upstream;
use serde_json::{Value, json};

use super::installation::{Installation, claviger};

/// A visitor with a link, and the key that it belongs to.
struct Visitor<'i> {
    installation: &'i Installation,
    client: Client,
    id: String,
    key: String,
}

impl<'i> Visitor<'i> {
    fn of(installation: &'i Installation, api: &str) -> Self {
        let (client, runtime) = (&installation.client, &installation.runtime);
        let made = async {
            let body = json!({"name": "Acme", "audience": "outside"});
            let made = client
                .post(&format!("/v1/apis/{api}/shared-keys"))
                .body(&body)
                .send::<Value>()
                .await
                .unwrap()
                .body;
            let (id, key) = (text(&made["id"]), text(&made["key"]));
            let link =
                client.post(&format!("/v1/shared-keys/{id}/portal-link")).send::<Value>().await.unwrap().body;
            let token = text(&link["url"]).split_once('#').unwrap().1.to_owned();
            (id, key, token)
        };
        let (id, key, token) = runtime.block_on(made);
        let client = Client::new(&installation.server.url()).unwrap().with_key(&token).unwrap();
        Self { installation, client, id, key }
    }

    fn tries(&self, body: &Value) -> Result<Value, Error> {
        let sent = self.client.post("/v1/portal/try").body(body).send::<Value>();
        self.installation.runtime.block_on(sent).map(|answer| answer.body)
    }

    fn act(&self, method: Method, path: &str, body: &Value) {
        let sent = self.installation.client.call(method, path).body(body).send::<Value>();
        self.installation.runtime.block_on(sent).unwrap();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn header<'a>(tried: &'a Value, name: &str) -> Option<&'a str> {
    let headers = tried["headers"].as_array().unwrap().iter();
    headers.filter(|header| header["name"] == name).find_map(|header| header["value"].as_str())
}

/// An upstream that answers every call with these bytes, then holds the line.
fn answering(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let bytes = bytes.clone();
            std::thread::spawn(move || {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked);
                let _ = stream.write_all(&bytes);
                let _ = stream.read(&mut asked);
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn c5_a_trial_is_a_call_like_any_other() {
    let upstream = Upstream::start();
    let installation = Installation::new(claviger(), &upstream.url());
    let visitor = Visitor::of(&installation, "behind");
    let body = json!({
        "method": "POST", "path": "/orders?status=open", "key": visitor.key, "body": "{\"a\":1}",
        "headers": [{"name": "Content-Type", "value": "application/json"}, {"name": "X-Own", "value": "yes"}],
    });
    let tried = visitor.tries(&body).unwrap();
    assert_eq!(
        (&tried["status"], &tried["truncated"], &tried["base64"]),
        (&json!(200), &json!(false), &json!(false))
    );
    let seen = upstream.seen();
    let call = seen.last().unwrap();
    assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/orders?status=open"));
    assert_eq!(call.header("x-own"), Some("yes"));
    assert_eq!(call.header("x-claviger-key-name"), Some("Acme"));
    assert_eq!(call.header("x-api-key"), None, "the key goes no further");
    assert_eq!(call.header("authorization"), None, "and the link's token does not either");
    let without = visitor.tries(&json!({"method": "GET", "path": "/"})).unwrap();
    assert_eq!((&without["status"], header(&without, "x-claviger-code")), (&json!(401), Some("missing")));
    let dots =
        visitor.tries(&json!({"method": "GET", "path": "/../other/orders", "key": visitor.key})).unwrap();
    assert_eq!(dots["status"], 400, "{dots}");
    visitor.act(Method::POST, &format!("/v1/shared-keys/{}/disable", visitor.id), &json!({}));
    let disabled = visitor.tries(&json!({"method": "GET", "path": "/", "key": visitor.key})).unwrap();
    assert_eq!((&disabled["status"], header(&disabled, "x-claviger-code")), (&json!(401), Some("suspended")));
    visitor.act(Method::PUT, "/v1/apis/behind/exposure", &json!({"exposed": false}));
    let hidden = visitor.tries(&json!({"method": "GET", "path": "/", "key": visitor.key})).unwrap();
    assert_eq!(hidden["status"], 404);
    assert_eq!(upstream.seen().len(), 1, "what is refused reaches nobody");
}

#[test]
fn c5_a_trial_is_bounded_and_follows_nothing() {
    let elsewhere = Upstream::start();
    let installation = Installation::new(claviger(), &elsewhere.url());
    let visitor = Visitor::of(&installation, "behind");
    let tried_with = |answer: Vec<u8>| {
        visitor.act(Method::PATCH, "/v1/apis/behind", &json!({"upstreams": [answering(answer)]}));
        visitor.tries(&json!({"method": "GET", "path": "/", "key": visitor.key}))
    };
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
    let redirected = tried_with(redirect.into_bytes()).unwrap();
    assert_eq!(
        (&redirected["status"], header(&redirected, "location")),
        (&json!(302), Some(format!("{}/", elsewhere.url()).as_str()))
    );
    assert_eq!(elsewhere.seen().len(), 0, "nobody went there");
    let bytes = tried_with(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\x00".to_vec()).unwrap();
    assert_eq!((&bytes["body"], &bytes["base64"]), (&json!("/wA="), &json!(true)));
    let mut long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 3 << 20).into_bytes();
    long.resize(long.len() + (3 << 20), b'x');
    let long = tried_with(long).unwrap();
    assert_eq!((long["body"].as_str().unwrap().len(), &long["truncated"]), (1 << 20, &json!(true)));
    let began = Instant::now();
    let endless =
        tried_with(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n".to_vec()).unwrap();
    assert_eq!((&endless["body"], &endless["truncated"]), (&json!("a"), &json!(true)));
    let silent = tried_with(Vec::new()).unwrap_err();
    assert_eq!(silent.code(), Some("trial_timed_out"), "{silent}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
