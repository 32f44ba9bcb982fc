//! Trying a call from the portal (product.md C5): what the visitor typed is checked here, and the call itself is made
//! through the gateway's own door by whoever called this, as any other call is.

use claviger_domain::apis::{Api, CredentialHeaders};
use claviger_domain::secret::Plaintext;
use claviger_store::SharedKeyRow;
use claviger_wire::portal as wire;

use crate::error::Error;
use crate::fields::Fields;
use crate::portal::{Visit, api_of, visited};
use crate::state::Service;

/// The longest path with its query, and the longest body, in bytes.
const MAX_PATH: usize = 4_000;
const MAX_BODY: usize = 512 << 10;
/// How many headers, and how long one of them may be.
const MAX_HEADERS: usize = 50;
const MAX_HEADER: usize = 4_000;

/// What can be tried.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// What the connection, proxies and the gateway say themselves.
const TAKEN: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const TAKEN_PREFIXES: [&str; 4] = ["x-forwarded-", "x-claviger-", "x-original-", "proxy-"];

/// A call that may be tried, as it goes to the gateway.
pub struct Trial {
    pub method: String,
    /// With the API's slug before it.
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// In the API's own headers.
    pub credentials: Vec<(String, Plaintext)>,
    pub body: String,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Service {
    /// Checks what a visitor wants to try. Only the key that their link belongs to can be tried with.
    pub async fn portal_try(&self, visit: &Visit, body: &wire::Try) -> Result<Trial, Error> {
        let mut reader = self.state.store.read().await?;
        let row = visited(&mut reader, visit, self.now()).await?;
        let api = api_of(&mut reader, &row.shared_key).await?;
        drop(reader);
        self.trial(&row, &api, body).map_err(|error| self.slowed_guess(error, visit, &["/key", "/secret"]))
    }

    fn trial(&self, row: &SharedKeyRow, api: &Api, body: &wire::Try) -> Result<Trial, Error> {
        let mut fields = Fields::new();
        if !METHODS.contains(&body.method.as_str()) {
            fields.wrong("/method", format!("must be one of {}", METHODS.join(", ")));
        }
        if !is_path(&body.path) {
            fields.wrong(
                "/path",
                format!("must begin with / and be at most {MAX_PATH} visible characters of ASCII"),
            );
        }
        let text = body.body.clone().unwrap_or_default();
        if text.len() > MAX_BODY {
            fields.wrong("/body", format!("must be at most {} KiB", MAX_BODY >> 10));
        }
        let places = &api.settings.credential_headers;
        let headers = headers(&mut fields, body.headers.as_deref().unwrap_or_default(), places);
        let credentials = self.credentials(&mut fields, row, places, body);
        fields.finish()?;
        let path = format!("/{}{}", api.slug, body.path);
        Ok(Trial { method: body.method.clone(), path, headers, credentials, body: text })
    }

    /// The visitor's own. Without a key it must be known whose the secret is.
    fn credentials(
        &self,
        fields: &mut Fields,
        row: &SharedKeyRow,
        places: &CredentialHeaders,
        body: &wire::Try,
    ) -> Vec<(String, Plaintext)> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Plaintext::new);
        let (key, secret) = (given(&body.key), given(&body.secret));
        let own_key = |key: &Plaintext| {
            let digest_key = self.state.keys.digest_key.by_id(row.digest_key);
            digest_key.is_some_and(|digest_key| digest_key.digest(key.expose().as_bytes()) == row.digest)
        };
        if key.as_ref().is_some_and(|key| !own_key(key)) {
            fields.wrong("/key", "is not the key that this link belongs to");
        }
        if let Some(secret) = &secret {
            let is_text = secret.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if !is_text || (key.is_none() && !self.is_in_force(row, secret.expose())) {
                fields.wrong("/secret", "is not the secret of the key that this link belongs to");
            }
        }
        let in_place = |place: &str, value: Option<Plaintext>| value.map(|value| (place.to_owned(), value));
        [in_place(places.key(), key), in_place(places.secret(), secret)].into_iter().flatten().collect()
    }
}

/// Only its form: which paths there are is the gateway's to say.
fn is_path(path: &str) -> bool {
    path.len() <= MAX_PATH
        && path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

fn headers(fields: &mut Fields, given: &[wire::Header], places: &CredentialHeaders) -> Vec<(String, String)> {
    if given.len() > MAX_HEADERS {
        fields.wrong("/headers", format!("must be at most {MAX_HEADERS}"));
        return Vec::new();
    }
    let mut headers = Vec::with_capacity(given.len());
    for (at, header) in given.iter().enumerate() {
        let name = header.name.to_ascii_lowercase();
        let folded = name.replace('_', "-");
        let taken = TAKEN.contains(&folded.as_str())
            || TAKEN_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
            || [places.key(), places.secret()].contains(&folded.as_str());
        if !is_token(&name) {
            fields.wrong(&format!("/headers/{at}/name"), "must be the name of a header, such as Accept");
        } else if taken {
            let detail = "is for the gateway to set; a key and a secret have fields of their own";
            fields.wrong(&format!("/headers/{at}/name"), detail);
        }
        let plain = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
        if header.value.len() > MAX_HEADER || !header.value.bytes().all(plain) {
            let detail = format!("must be at most {MAX_HEADER} plain characters of ASCII");
            fields.wrong(&format!("/headers/{at}/value"), detail);
        }
        headers.push((name, header.value.clone()));
    }
    headers
}

/// RFC 9110, 5.6.2.
fn is_token(name: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(of_token)
}

#[cfg(test)]
mod tests {
    use claviger_domain::apis::HeaderPreset;

    use super::*;

    #[test]
    fn paths_and_headers_have_their_form() {
        for (path, fits) in [
            ("/", true),
            ("/orders/1?a=b%20c", true),
            ("", false),
            ("orders", false),
            ("/a b", false),
            ("/a#b", false),
            ("/a\r\nHost: x", false),
            ("/é", false),
            ("/a\u{0}", false),
        ] {
            assert_eq!(is_path(path), fits, "{path:?}");
        }
        assert!(!is_path(&format!("/{}", "a".repeat(MAX_PATH))));
        let places = CredentialHeaders::Preset(HeaderPreset::Standard);
        for (name, value, pointer) in [
            ("Accept", "application/json", None),
            ("X-Own", "a\tb", None),
            ("Host", "x", Some("/headers/0/name")),
            ("X_API_Key", "x", Some("/headers/0/name")),
            ("X-API-Secret", "x", Some("/headers/0/name")),
            ("Authorization", "x", Some("/headers/0/name")),
            ("x_forwarded_for", "10.0.0.1", Some("/headers/0/name")),
            ("X-Claviger-Application", "x", Some("/headers/0/name")),
            ("Transfer-Encoding", "chunked", Some("/headers/0/name")),
            ("a b", "x", Some("/headers/0/name")),
            ("", "x", Some("/headers/0/name")),
            ("a", "x\r\nb: c", Some("/headers/0/value")),
            ("a", "é", Some("/headers/0/value")),
        ] {
            let mut fields = Fields::new();
            let header = wire::Header { name: name.to_owned(), value: value.to_owned() };
            headers(&mut fields, &[header], &places);
            let found = match fields.finish() {
                Ok(()) => None,
                Err(claviger_domain::refusal::Refusal::Invalid(errors)) => Some(errors[0].pointer.clone()),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found.as_deref(), pointer, "{name}: {value}");
        }
    }
}
