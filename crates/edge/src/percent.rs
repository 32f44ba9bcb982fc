//! Percent-decoding of queries and path segments, once, and without a copy where nothing is encoded.

use std::borrow::Cow;

/// The text with `%XX` decoded. `None` if an escape is broken or the bytes are no text.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The value of a query parameter: as [`decode`], with `+` for a space.
pub(crate) fn decode_query(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        return decode(&text.replace('+', " ")).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        for (text, decoded) in [
            ("orders", Some("orders")),
            ("orders%3Aread", Some("orders:read")),
            ("%25%32%65", Some("%2e")),
            ("caf%C3%A9", Some("café")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%+1", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
        assert_eq!(decode_query("a+b%2B").as_deref(), Some("a b+"));
    }
}
