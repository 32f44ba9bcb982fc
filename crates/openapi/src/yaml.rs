//! Reading YAML 1.2 as the JSON that it stands for. What JSON has not is refused: aliases, anchors, tags, names that
//! are no text, several documents, numbers without an end.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use crate::fault::{Fault, Step};
use crate::reading::Reading;

/// The text as a tree.
pub(crate) fn read(text: &str) -> Result<Value, Fault> {
    if let Some((line, _)) = text.lines().enumerate().find(|(_, line)| line.contains(is_forbidden)) {
        return Err(Fault::whole(format!("has a control character in line {}", line + 1)));
    }
    let mut composer = Composer::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let detail = format!("can't be read as YAML: {}", error.info());
            composer.fault(&detail, error.marker())
        })?;
        composer.take(event).map_err(|detail| composer.fault(&detail, &span.start))?;
    }
    composer.root.ok_or_else(|| Fault::whole("is empty"))
}

/// What YAML lets no text hold, in lines that were split already.
fn is_forbidden(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\r' | '\u{85}')
}

/// Builds the tree from the parser's events, without recursion.
#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    root: Option<Value>,
    documents: usize,
    reading: Reading,
}

/// A container whose end is not read yet.
enum Open {
    List(Vec<Value>),
    /// With the name whose value comes next.
    Object(Map<String, Value>, Option<String>),
}

impl Composer {
    fn fault(&self, detail: &str, at: &Marker) -> Fault {
        self.reading.fault(format!("{detail} (line {}, column {})", at.line(), at.col() + 1))
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err("must be one document".to_owned()) } else { Ok(()) }
            }
            Event::Alias(_) => Err("has an alias; write out what it stands for".to_owned()),
            Event::Scalar(text, style, anchor, tag) => {
                plain_node(anchor, tag.is_some())?;
                self.scalar(&text, style)
            }
            Event::SequenceStart(anchor, tag) => {
                plain_node(anchor, tag.is_some())?;
                self.begin(Open::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                plain_node(anchor, tag.is_some())?;
                self.begin(Open::Object(Map::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin(&mut self, container: Open) -> Result<(), String> {
        if matches!(self.open.last(), Some(Open::Object(_, None))) {
            return Err("has a name that is no text".to_owned());
        }
        self.step_into_item();
        self.reading.begin(true)?;
        self.open.push(container);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        match self.open.pop() {
            Some(Open::List(items)) => self.put(Value::Array(items)),
            Some(Open::Object(members, _)) => self.put(Value::Object(members)),
            None => return Err("can't be read as YAML".to_owned()),
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle) -> Result<(), String> {
        if let Some(Open::Object(members, name @ None)) = self.open.last_mut() {
            let twice = members.contains_key(text);
            self.reading.enter(Step::Member(text.to_owned()));
            *name = Some(text.to_owned());
            return if twice { Err("is named twice".to_owned()) } else { Ok(()) };
        }
        self.step_into_item();
        self.reading.begin(false)?;
        let value = if style == ScalarStyle::Plain { plain(text)? } else { text.into() };
        self.put(value);
        Ok(())
    }

    fn step_into_item(&self) {
        if let Some(Open::List(items)) = self.open.last() {
            self.reading.enter(Step::Item(items.len()));
        }
    }

    /// A value is whole.
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => {
                self.root = Some(value);
                return;
            }
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(members, name)) => {
                members.insert(name.take().unwrap_or_default(), value);
            }
        }
        self.reading.leave();
    }
}

/// Refuses what JSON has no word for.
fn plain_node(anchor: usize, tagged: bool) -> Result<(), String> {
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (0, true) => Err("has a tag; leave it out".to_owned()),
        _ => Err("has an anchor; leave it out".to_owned()),
    }
}

/// What an unquoted scalar stands for, by the core schema of YAML 1.2.
fn plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_endless(text) => return Err("is a number that JSON has not".to_owned()),
        _ if is_number(text) => Value::Number(number(text)?),
        _ => based(text).map_or_else(|| text.into(), Value::from),
    })
}

fn is_endless(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let exponent_fits = exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    has_digits && digits(whole) && digits(fraction) && exponent_fits
}

fn number(text: &str) -> Result<Number, String> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Ok(whole.into());
    }
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.ok_or_else(|| "is a number out of range".to_owned())
}

/// `0x1F` and `0o17`; one that does not fit is text.
fn based(text: &str) -> Option<u64> {
    let (digits, radix) = match text.split_at_checked(2)? {
        ("0x", digits) => (digits, 16),
        ("0o", digits) => (digits, 8),
        _ => return None,
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        read(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        for (text, expected) in [
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("12", json!(12)),
            ("+12", json!(12)),
            ("-0x1", json!("-0x1")),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("017", json!(17)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("3.1.0", json!("3.1.0")),
            ("1e", json!("1e")),
            (".", json!(".")),
            ("2026-11-21", json!("2026-11-21")),
            ("'12'", json!("12")),
            ("\"\\u0041\"", json!("A")),
            ("|\n  a\n  b\n", json!("a\nb\n")),
            ("200: ok", json!({"200": "ok"})),
            ("a: [1, {b: c}]\nd:\n- e\n", json!({"a": [1, {"b": "c"}], "d": ["e"]})),
            ("--- \na: 1\n...\n", json!({"a": 1})),
            ("a:\n", json!({"a": null})),
            ("<<: {a: 1}", json!({"<<": {"a": 1}})),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_json_has_not_is_refused_where_it_stands() {
        for (text, pointer, word) in [
            ("", "", "empty"),
            ("a: &x 1", "/a", "anchor"),
            ("a: &x {b: 1}", "/a", "anchor"),
            ("&x a: 1", "", "anchor"),
            ("a: !!str 1", "/a", "tag"),
            ("a: [!x 1]", "/a", "tag"),
            ("- !!map {}", "", "tag"),
            ("! a", "", "tag"),
            ("a: *x", "/a", "anchor"),
            ("a: 1\na: 2", "/a", "twice"),
            ("a: {b: 1, 'b': 2}", "/a/b", "twice"),
            ("200: 1\n'200': 2", "/200", "twice"),
            ("? [a]\n: 1", "", "no text"),
            ("a: .inf", "/a", "JSON has not"),
            ("a: -.INF", "/a", "JSON has not"),
            ("a: .nan", "/a", "JSON has not"),
            ("a: 1e400", "/a", "out of range"),
            ("a: 1\n---\nb: 2", "", "one document"),
            ("a: \u{1}", "", "control character in line 1"),
            ("a: 1\nb: \u{7f}", "", "control character in line 2"),
            ("a: [1", "/a", "can't be read"),
            ("a: b: c", "", "can't be read"),
            ("a:\n\t- b", "", "can't be read"),
            ("- a\n- {b: [", "/1/b", "can't be read"),
        ] {
            let fault = read(text).expect_err(text);
            assert!(fault.detail.contains(word), "{text}: {fault:?}");
            assert!(fault.pointer.starts_with(pointer), "{text}: {fault:?}");
        }
    }
}
