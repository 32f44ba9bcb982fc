//! The one extraction of a credential from a request's headers, which every door uses (security.md 8,
//! surface.md "Where one is looked for"). It never looks at the query string.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize as _;

use crate::request::Credential;

/// Where the callers of one API present a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places<'a> {
    /// The API's own header for the key, in lower case with `-`.
    pub key: &'a str,
    /// The API's own header for the secret.
    pub secret: &'a str,
    /// Whether the API takes `Authorization: Basic`.
    pub basic: bool,
}

impl Places<'_> {
    /// The places of an API that says nothing of its own.
    pub const STANDARD: Places<'static> = Places { key: "x-api-key", secret: "x-api-secret", basic: false };
}

/// What was read, and where from.
#[derive(Debug, Clone, Copy)]
pub struct Extracted<'a> {
    pub credential: Credential<'a>,
    /// Whether `Authorization` held a credential of ours; if not, it is the upstream's.
    pub authorization_read: bool,
}

impl Extracted<'_> {
    /// Whether this header was read as a credential, so that it must not go on to the upstream.
    pub fn takes(&self, places: &Places<'_>, header: &str) -> bool {
        same_name(header, places.key)
            || same_name(header, places.secret)
            || (self.authorization_read && same_name(header, AUTHORIZATION))
    }
}

/// Room for a decoded `Authorization: Basic`; wiped when dropped.
#[derive(Clone)]
pub struct Scratch {
    buffer: [u8; Self::ROOM],
    used: usize,
}

impl Scratch {
    /// A key, a colon, and a typed secret of 128 characters of four bytes.
    const ROOM: usize = 600;

    pub const fn new() -> Self {
        Self { buffer: [0; Self::ROOM], used: 0 }
    }

    fn decode(&mut self, encoded: &str) -> Option<&str> {
        self.used = Self::ROOM;
        let length = STANDARD.decode_slice(encoded, &mut self.buffer).ok()?;
        self.used = length;
        str::from_utf8(&self.buffer[..length]).ok()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.buffer[..self.used].zeroize();
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scratch")
    }
}

const AUTHORIZATION: &str = "authorization";

/// Reads the credential. The first place with a value decides; a credential header twice, empty or not
/// text, or two different `clv_` keys in one request, is malformed.
pub fn extract<'a>(
    places: &Places<'_>,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    scratch: &'a mut Scratch,
) -> Extracted<'a> {
    let mut seen = Seen::default();
    for (name, value) in headers {
        if same_name(name, places.key) {
            seen.key.add(value);
        } else if same_name(name, places.secret) {
            seen.secret.add(value);
        } else if same_name(name, AUTHORIZATION) {
            seen.authorization(value, places.basic);
        }
    }
    let authorization_read = !matches!(seen.ours, Ours::None);
    let credential = seen.credential(scratch).unwrap_or(Credential::Malformed);
    Extracted { credential, authorization_read }
}

/// The headers of interest, each at most once.
#[derive(Default)]
struct Seen<'a> {
    key: Once<'a>,
    secret: Once<'a>,
    authorizations: u32,
    ours: Ours<'a>,
}

#[derive(Default)]
enum Once<'a> {
    #[default]
    Absent,
    Present(&'a [u8]),
    Twice,
}

/// What `Authorization` holds for us.
#[derive(Default)]
enum Ours<'a> {
    #[default]
    None,
    Basic(&'a [u8]),
    Bearer(&'a [u8]),
}

/// Two values, no value, or no text.
struct Malformed;

impl<'a> Once<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::Present(value),
            _ => Self::Twice,
        };
    }

    fn text(&self) -> Result<Option<&'a str>, Malformed> {
        match self {
            Self::Absent => Ok(None),
            Self::Present(value) => text(value).map(Some),
            Self::Twice => Err(Malformed),
        }
    }
}

impl<'a> Seen<'a> {
    fn authorization(&mut self, value: &'a [u8], basic: bool) {
        self.authorizations += 1;
        let value = value.trim_ascii();
        let (scheme, rest) =
            value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
        let rest = rest.trim_ascii();
        if basic && scheme.eq_ignore_ascii_case(b"basic") {
            self.ours = Ours::Basic(rest);
        } else if scheme.eq_ignore_ascii_case(b"bearer") && rest.starts_with(b"clv_") {
            self.ours = Ours::Bearer(rest);
        }
    }

    fn credential(&self, scratch: &'a mut Scratch) -> Result<Credential<'a>, Malformed> {
        let (key, secret) = (self.key.text()?, self.secret.text()?);
        let second = self.second_place(scratch)?;
        if let (Some(key), Some((other, _))) = (key, second)
            && key.starts_with("clv_")
            && other.starts_with("clv_")
            && key != other
        {
            return Err(Malformed);
        }
        Ok(match (key, secret, second) {
            (None, None, None) => Credential::Missing,
            (None, None, Some((key, secret))) => Credential::Presented { key: Some(key), secret },
            (key, secret, _) => Credential::Presented { key, secret },
        })
    }

    /// Key and secret from `Authorization`, if there are any for us.
    fn second_place(
        &self,
        scratch: &'a mut Scratch,
    ) -> Result<Option<(&'a str, Option<&'a str>)>, Malformed> {
        if !matches!(self.ours, Ours::None) && self.authorizations > 1 {
            return Err(Malformed);
        }
        match self.ours {
            Ours::None => Ok(None),
            Ours::Bearer(value) => Ok(Some((text(value)?, None))),
            Ours::Basic(value) => {
                let decoded = scratch.decode(text(value)?).ok_or(Malformed)?;
                let (username, password) = decoded.split_once(':').ok_or(Malformed)?;
                if username.is_empty() {
                    return Err(Malformed);
                }
                Ok(Some((username, Some(password).filter(|password| !password.is_empty()))))
            }
        }
    }
}

/// A header's value without the space around it; empty or not text is malformed.
fn text(value: &[u8]) -> Result<&str, Malformed> {
    let value = value.trim_ascii();
    match str::from_utf8(value) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(Malformed),
    }
}

/// Names compare without case and with `_` as `-`; `wanted` is in lower case with `-`.
fn same_name(name: &str, wanted: &str) -> bool {
    name.len() == wanted.len()
        && name
            .bytes()
            .zip(wanted.bytes())
            .all(|(byte, wanted)| byte.to_ascii_lowercase() == wanted || (byte == b'_' && wanted == b'-'))
}
