//! Where a credential is looked for, and what is malformed (surface.md, "Where one is looked for").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_verify::{Credential, Places, Scratch, extract};

const BASIC: Places<'static> = Places { basic: true, ..Places::STANDARD };
const OWN: Places<'static> = Places { key: "x-my-key", secret: "x-my-secret", basic: false };

/// What came out, in words.
fn read(places: &Places<'_>, headers: &[(&str, &str)]) -> String {
    let bytes: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    read_bytes(places, &bytes)
}

fn read_bytes(places: &Places<'_>, headers: &[(&str, &[u8])]) -> String {
    let mut scratch = Scratch::new();
    match extract(places, headers.iter().copied(), &mut scratch).credential {
        Credential::Missing => "missing".into(),
        Credential::Malformed => "malformed".into(),
        Credential::Presented { key, secret } => format!("{}/{}", key.unwrap_or("-"), secret.unwrap_or("-")),
    }
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[test]
fn the_apis_own_headers_come_first() {
    for (headers, expected) in [
        (&[][..], "missing"),
        (&[("X-API-Key", "k")], "k/-"),
        (&[("x-api-key", " k "), ("X-Api-Secret", "s")], "k/s"),
        (&[("X_API_KEY", "k"), ("x_api-secret", "s")], "k/s"),
        (&[("X-API-Secret", "s")], "-/s"),
        (&[("X-API-Key", "k"), ("Authorization", "Bearer clv_b")], "k/-"),
        (&[("X-API-Secret", "s"), ("Authorization", "Bearer clv_b")], "-/s"),
        (&[("X-My-Key", "k")], "missing"),
        (&[("X-API-Keys", "k"), ("X-API", "k"), ("XAPIKEY", "k")], "missing"),
    ] {
        assert_eq!(read(&Places::STANDARD, headers), expected, "{headers:?}");
    }
    assert_eq!(read(&OWN, &[("X-My_Key", "k"), ("X-API-Key", "other")]), "k/-");
    assert_eq!(read(&OWN, &[("X-API-Key", "other")]), "missing");
}

#[test]
fn authorization_is_ours_only_by_its_form() {
    let good = basic("k:s");
    for (places, value, expected) in [
        (&Places::STANDARD, "Bearer clv_key_x", "clv_key_x/-"),
        (&Places::STANDARD, "bEaReR   clv_key_x", "clv_key_x/-"),
        (&Places::STANDARD, "Bearer eyJhbGciOi", "missing"),
        (&Places::STANDARD, "clv_key_x", "missing"),
        (&Places::STANDARD, "Bearer", "missing"),
        (&Places::STANDARD, "", "missing"),
        (&Places::STANDARD, good.as_str(), "missing"),
        (&BASIC, good.as_str(), "k/s"),
        (&BASIC, &good.replace("Basic", "BASIC"), "k/s"),
        (&BASIC, &basic("k:s:t"), "k/s:t"),
        (&BASIC, &basic("k:"), "k/-"),
        (&BASIC, &basic(":s"), "malformed"),
        (&BASIC, &basic("no colon"), "malformed"),
        (&BASIC, &basic(&"x".repeat(2_000)), "malformed"),
        (&BASIC, "Basic", "malformed"),
        (&BASIC, "Basic !!!", "malformed"),
        (&BASIC, "Basic /////w==", "malformed"),
        (&BASIC, "Digest username=x", "missing"),
        (&BASIC, "Bearer clv_key_x", "clv_key_x/-"),
    ] {
        assert_eq!(read(places, &[("Authorization", value)]), expected, "{value}");
    }
}

#[test]
fn twice_empty_contradictory_or_not_text_is_malformed() {
    let good = basic("clv_key_a:s");
    for headers in [
        &[("X-API-Key", "k"), ("x-api-key", "k")][..],
        &[("X-API-Key", "k"), ("X_API_KEY", "k")],
        &[("X-API-Secret", "s"), ("X-API-Secret", "s"), ("X-API-Key", "k")],
        &[("X-API-Key", "")],
        &[("X-API-Key", "  ")],
        &[("X-API-Key", "k"), ("X-API-Secret", "")],
        &[("Authorization", "Bearer clv_key_a"), ("Authorization", "Bearer clv_key_a")],
        &[("Authorization", "Bearer eyJ"), ("Authorization", "Bearer clv_key_a")],
        &[("X-API-Key", "clv_key_b"), ("Authorization", "Bearer clv_key_a")],
        &[("X-API-Key", "clv_key_b"), ("Authorization", good.as_str())],
    ] {
        assert_eq!(read(&BASIC, headers), "malformed", "{headers:?}");
    }
    assert_eq!(read_bytes(&BASIC, &[("X-API-Key", b"\xff\xfe")]), "malformed");
    // The same key in two places is one key; what is no key of ours contradicts nothing.
    assert_eq!(read(&BASIC, &[("X-API-Key", "clv_key_a"), ("Authorization", &good)]), "clv_key_a/-");
    assert_eq!(read(&BASIC, &[("X-API-Key", "k"), ("Authorization", &good)]), "k/-");
    let of_the_upstream = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
    assert_eq!(read(&BASIC, &of_the_upstream), "missing");
}

#[test]
fn what_was_read_as_a_credential_is_taken_out() {
    let mut scratch = Scratch::new();
    let headers = [("X-API-Key", "k"), ("Authorization", "Bearer clv_key_a"), ("Accept", "*/*")];
    let extracted =
        extract(&BASIC, headers.map(|(name, value)| (name, value.as_bytes())).into_iter(), &mut scratch);
    let takes = |name| extracted.takes(&BASIC, name);
    assert!(takes("X-API-KEY") && takes("x_api_secret") && takes("authorization"));
    assert!(!takes("accept") && !takes("x-my-key"));
    let mut scratch = Scratch::new();
    let headers = [("Authorization", "Bearer eyJ")];
    let extracted =
        extract(&BASIC, headers.map(|(name, value)| (name, value.as_bytes())).into_iter(), &mut scratch);
    assert!(!extracted.takes(&BASIC, "Authorization"), "somebody else's token goes on");
}

#[test]
fn nothing_of_a_credential_is_printed() {
    let mut scratch = Scratch::new();
    let headers = [("X-API-Key", b"hunter2".as_slice()), ("X-API-Secret", b"hunter3")];
    let extracted = extract(&BASIC, headers.into_iter(), &mut scratch);
    let shown = format!("{extracted:?} {:?}", Scratch::new());
    assert!(shown.contains("Presented(key and secret)") && !shown.contains("hunter"), "{shown}");
}
