//! Documents that mean harm: each is refused, soon, by name and without saying back what it holds.

use std::time::{Duration, Instant};

use claviger_openapi::{Document, Fault, Format, MAX_BYTES, MAX_DEPTH};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{document, operation, parse, refused};

/// Nothing may take longer, in a build without optimisation, on a machine with other work. What is quadratic takes
/// hours.
const SOON: Duration = Duration::from_secs(60);

fn soon(text: &[u8], format: Format) -> Result<Document, Vec<Fault>> {
    let start = Instant::now();
    let read = Document::parse(text, format);
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    if let Err(faults) = &read {
        assert!((1..=20).contains(&faults.len()));
        let said: usize = faults.iter().map(|fault| fault.pointer.len() + fault.detail.len()).sum();
        assert!(said < 40_000, "says {said} bytes");
    }
    read
}

fn yaml(body: &str) -> String {
    format!("openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\npaths: {{}}\n{body}")
}

#[test]
fn billion_laughs() {
    let mut bomb = String::from("x-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for at in 1..10 {
        let again = vec![format!("*a{}", at - 1); 9].join(", ");
        bomb.push_str(&format!("x-a{at}: &a{at} [{again}]\n"));
    }
    refused(yaml(&bomb).as_bytes(), Format::Yaml, "/x-a0", "anchor");
    refused(yaml("x-a: {<<: *base}").as_bytes(), Format::Yaml, "/x-a/<<", "anchor");
    refused(yaml("x-a: &a [*a]").as_bytes(), Format::Yaml, "/x-a", "anchor");
}

#[test]
fn tags_and_further_documents() {
    refused(yaml("x-a: !!python/object/apply:os.system [id]").as_bytes(), Format::Yaml, "/x-a", "tag");
    refused(yaml("x-a: !!binary aGk=").as_bytes(), Format::Yaml, "/x-a", "tag");
    refused(yaml("x-a: !include /etc/passwd").as_bytes(), Format::Yaml, "/x-a", "tag");
    refused(yaml("--- \nb: 1").as_bytes(), Format::Yaml, "", "one document");
}

#[test]
fn deep_nesting() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(
            r#"{{"openapi":"3.1.0","info":{{"title":"t","version":"1"}},"paths":{{}},"x-a":{open}{close}}}"#
        )
    };
    for format in [Format::Json, Format::Yaml] {
        assert!(soon(nested(MAX_DEPTH - 1).as_bytes(), format).is_ok());
        let faults = soon(nested(MAX_DEPTH).as_bytes(), format).expect_err("too deep");
        assert!(faults[0].detail.contains("deeper than 64"), "{faults:?}");
        assert!(faults[0].pointer.starts_with("/x-a/0/0"), "{faults:?}");
        assert!(soon(nested(MAX_BYTES / 2 - 50).as_bytes(), format).is_err());
    }
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    assert!(soon(objects.as_bytes(), Format::Json).is_err());
    for indented in [
        "- ".repeat(MAX_BYTES / 2),
        "? ".repeat(MAX_BYTES / 2),
        "a:\n".repeat(100_000),
        "{".repeat(MAX_BYTES),
    ] {
        assert!(soon(indented.as_bytes(), Format::Yaml).is_err());
    }
    let stairs: String = (0..3_000).map(|at| format!("{}a:\n", " ".repeat(at))).collect();
    assert!(soon(stairs.as_bytes(), Format::Yaml).is_err());
}

/// As deep as can be, in every place where the schemas come back to themselves: valid, and with a fault at the end.
#[test]
fn recursion_as_deep_as_can_be() {
    for version in ["3.0.3", "3.1.0", "3.2.0"] {
        for last in [operation(), json!({"responses": 5, "x": 5})] {
            let calls = (0..14).fold(last, |inner, _| {
                json!({"responses": operation()["responses"], "callbacks": {"c": {"{$url}": {"post": inner}}}})
            });
            let deep = document(version, json!({"/a": {"post": calls}}));
            let _ = soon(deep.to_string().as_bytes(), Format::Json);
        }
        for last in [json!({"type": "string"}), json!({"type": 5})] {
            let wrap = [
                |inner| json!({"allOf": [inner]}),
                |inner| json!({"not": inner}),
                |inner| json!({"properties": {"a": inner}}),
                |inner| json!({"additionalProperties": inner}),
            ];
            let schema = (0..30).fold(last.clone(), |inner, at| wrap[at % wrap.len()](inner));
            let mut deep = document(version, json!({}));
            deep["components"] = json!({"schemas": {"A": schema}});
            assert_eq!(
                soon(deep.to_string().as_bytes(), Format::Json).is_ok(),
                last["type"] == "string",
                "{version}"
            );
        }
    }
}

#[test]
fn references_outside_and_in_circles() {
    for outside in
        ["https://example.com/a.json", "file:///etc/passwd", "other.yaml", "//host/a", "../../secret"]
    {
        let text = yaml(&format!("components: {{schemas: {{A: {{$ref: '{outside}'}}}}}}"));
        refused(text.as_bytes(), Format::Yaml, "/components/schemas/A/$ref", "leads outside");
    }
    let text = yaml("components: {schemas: {A: {$dynamicRef: 'https://example.com/a'}}}");
    refused(text.as_bytes(), Format::Yaml, "/components/schemas/A/$dynamicRef", "leads outside");
    let text = yaml(
        "components: {schemas: {A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}}",
    );
    refused(text.as_bytes(), Format::Yaml, "/components/schemas/A/$ref", "without an end");
    let round = document("3.0.3", json!({"/a": {"$ref": "#/paths/~1a"}}));
    refused(round.to_string().as_bytes(), Format::Json, "/paths/~1a/$ref", "without an end");
}

/// One text that every operation refers to must not become a list as large as both together.
#[test]
fn what_is_said_once_is_not_listed_a_million_times() {
    let shared: Vec<Value> = (0..100).map(|_| json!({"$ref": "#/components/parameters/P"})).collect();
    let parameter = json!({"name": "p", "in": "query", "description": "x".repeat(1 << 20), "schema": {}});
    let item = json!({"parameters": [{"$ref": "#/components/parameters/P"}], "get": operation(), "put": operation()});
    let mut paths: Map<String, Value> = (0..2_000).map(|at| (format!("/a{at}"), item.clone())).collect();
    let mut many = document("3.0.3", paths.clone().into());
    many["components"] = json!({"parameters": {"P": parameter}});
    let read = soon(many.to_string().as_bytes(), Format::Json).expect("a good document");
    let listed = serde_json::to_string(&read.operations).expect("serialises");
    assert!(listed.len() < 8 << 20, "{} bytes", listed.len());
    for item in paths.values_mut() {
        item["parameters"] = shared.clone().into();
    }
    many["paths"] = paths.into();
    assert!(soon(many.to_string().as_bytes(), Format::Json).is_err());
}

/// The same by whole paths, answers and bodies that are said once and referred to: what is listed has a ceiling.
#[test]
fn what_is_listed_has_a_ceiling_however_it_is_referred_to() {
    let long = "x".repeat(1_000);
    let answers: Map<String, Value> =
        (200..250).map(|status| (status.to_string(), json!({"description": long}))).collect();
    let types: Map<String, Value> =
        (0..50).map(|at| (format!("{at}/{}", "y".repeat(190)), json!({}))).collect();
    let refer = |to: &str| json!({"$ref": format!("#/components/{to}")});
    let whole = json!({"get": {"responses": answers}});
    let body = json!({"post": {"requestBody": refer("requestBodies/B"), "responses": {"200": refer("responses/R")}}});
    for (item, paths) in [(refer("pathItems/P"), 5_000), (body, 5_000)] {
        let paths: Map<String, Value> = (0..paths).map(|at| (format!("/a{at}"), item.clone())).collect();
        let mut document = document("3.1.0", paths.into());
        document["components"] = json!({
            "pathItems": {"P": whole}, "responses": {"R": {"description": long}}, "requestBodies": {"B": {"content": types}},
        });
        let faults = soon(document.to_string().as_bytes(), Format::Json).expect_err("too much to list");
        assert!(faults[0].detail.contains("8 MiB as they are listed"), "{faults:?}");
    }
}

/// References cost once for each text, and are no longer than they need to be.
#[test]
fn references_in_masses() {
    let long = "n".repeat(900);
    let mut schemas: Map<String, Value> = (0..32)
        .map(|at| (format!("{long}{at}"), json!({"$ref": format!("#/components/schemas/{long}{}", at + 1)})))
        .collect();
    schemas.insert(format!("{long}32"), json!({}));
    let many: Vec<_> = (0..5_000).map(|_| json!({"$ref": format!("#/components/schemas/{long}1")})).collect();
    schemas.insert("all".to_owned(), json!({"allOf": many}));
    let mut good = document("3.1.0", json!({}));
    good["components"] = json!({"schemas": schemas});
    let start = Instant::now();
    assert!(soon(good.to_string().as_bytes(), Format::Json).is_ok());
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn members_named_twice() {
    refused(br#"{"openapi":"3.1.0","openapi":"3.0.0"}"#, Format::Json, "/openapi", "twice");
    refused(br#"{"a":{"b":1,"\u0062":2}}"#, Format::Json, "/a/b", "twice");
    refused(b"a: {b: 1, \"\\x62\": 2}", Format::Yaml, "/a/b", "twice");
}

#[test]
fn texts_that_are_none() {
    refused(b"openapi: \xff\xfe", Format::Yaml, "", "not UTF-8 (byte 9)");
    refused(b"\xff\xfe{\x00}\x00", Format::Json, "", "not UTF-8");
    refused(b"{\"a\": \"\xed\xa0\x80\"}", Format::Json, "", "not UTF-8");
    refused(br#"{"a": "\ud800"}"#, Format::Json, "/a", "can't be read");
    refused(b"{\"a\": \"\x01\"}", Format::Json, "/a", "can't be read");
    refused(b"a: \x1b[31m", Format::Yaml, "", "control character in line 1");
    refused(b"a: \0", Format::Yaml, "", "control character in line 1");
}

#[test]
fn numbers_out_of_range() {
    for number in ["1e400", "-1e400"] {
        let json = format!(r#"{{"openapi":"3.1.0","x-a":[0,{number}]}}"#);
        refused(json.as_bytes(), Format::Json, "/x-a/1", "out of range");
        refused(yaml(&format!("x-a: {number}")).as_bytes(), Format::Yaml, "/x-a", "out of range");
    }
    let digits = "9".repeat(1 << 20);
    refused(yaml(&format!("x-a: {digits}")).as_bytes(), Format::Yaml, "/x-a", "out of range");
    refused(format!(r#"{{"x-a":{digits}}}"#).as_bytes(), Format::Json, "/x-a", "out of range");
    assert!(soon(yaml("x-a: 1e-400\nx-b: 123456789012345678901234567890").as_bytes(), Format::Yaml).is_ok());
}

#[test]
fn five_mebibytes_and_one_byte() {
    let mut text = document("3.1.0", json!({})).to_string();
    text.push_str(&" ".repeat(MAX_BYTES - text.len()));
    assert!(soon(text.as_bytes(), Format::Json).is_ok());
    text.push(' ');
    refused(text.as_bytes(), Format::Json, "", "larger than 5 MiB");
    refused(text.as_bytes(), Format::Yaml, "", "larger than 5 MiB");
}

#[test]
fn more_values_than_there_is_room_for() {
    let many = format!(r#"{{"openapi":"3.1.0","x-a":[{}0]}}"#, "{},".repeat(MAX_BYTES / 3 - 20));
    for format in [Format::Json, Format::Yaml] {
        let faults = soon(many.as_bytes(), format).expect_err("too many values");
        assert!(faults[0].detail.contains("more than 500000 values"), "{faults:?}");
    }
}

#[test]
fn markup_and_marks_in_texts_are_text() {
    let nasty = "<script>alert(1)</script>\u{202e}\u{200f}\u{0}\u{1b}]8;;http://x\u{7}";
    let mut item = operation();
    item["summary"] = nasty.into();
    item["description"] = nasty.into();
    item["tags"] = json!([nasty]);
    item["parameters"] = json!([{"name": nasty, "in": "query", "schema": {}}]);
    let read = parse(&document("3.1.0", json!({"/a": {"get": item}}))).expect("a good document");
    let plain = "<script>alert(1)</script>]8;;http://x";
    let listed = &read.operations[0];
    assert_eq!(listed.summary.as_deref(), Some(plain));
    assert_eq!((listed.tags[0].as_str(), listed.parameters[0].name.as_str()), (plain, plain));
    for path in ["/a\u{202e}b", "/a\nb", "/a\u{0}", "/\u{1b}[2J"] {
        let hidden = document("3.1.0", json!({path: {"get": operation()}}));
        let faults = soon(hidden.to_string().as_bytes(), Format::Json).expect_err("a path with marks");
        assert!(faults[0].detail.contains("control or direction"), "{faults:?}");
    }
}

/// What is wrong is told in a few words, however much of it there is; and finding it takes no more room than it has.
#[test]
fn faults_in_masses() {
    let wide: Map<String, Value> = (0..60_000).map(|at| (format!("member{at}"), json!(at))).collect();
    for version in ["3.0.3", "3.1.0", "3.2.0"] {
        let mut large = document(version, json!({"/a": {"get": wide}}));
        assert!(soon(large.to_string().as_bytes(), Format::Json).is_err());
        let schema = (0..25).fold(
            json!({"required": (0..100_000).collect::<Vec<_>>()}),
            |inner, _| json!({"properties": {"a": inner}}),
        );
        large["paths"] = json!({});
        large["components"] = json!({"schemas": {"A": schema}});
        assert!(soon(large.to_string().as_bytes(), Format::Json).is_err());
        let paths: Map<String, Value> =
            (0..20_000).map(|at| (format!("/a{at}"), json!({"get": 5}))).collect();
        assert_eq!(
            soon(document(version, paths.into()).to_string().as_bytes(), Format::Json)
                .expect_err("wrong")
                .len(),
            20
        );
        let long = document(version, json!({format!("/{}", "a".repeat(4 << 20)): {"get": 5}}));
        assert!(soon(long.to_string().as_bytes(), Format::Json).is_err());
        let same: Vec<_> = (0..200_000).map(|at| format!("m{at}")).collect();
        large["components"] = json!({"schemas": {"A": {"required": same}}});
        assert!(soon(large.to_string().as_bytes(), Format::Json).is_ok());
        let tags: Vec<_> = (0..50_000).map(|at| json!({"name": format!("t{at}")})).collect();
        let mut tagged = document(version, json!({}));
        tagged["tags"] = tags.into();
        assert!(soon(tagged.to_string().as_bytes(), Format::Json).is_ok());
    }
}

/// Long tokens and much of one character, which simple readers read again and again.
#[test]
fn texts_that_slow_readers_read_slowly() {
    let half = MAX_BYTES / 2;
    for text in [
        format!("a: \"{}", "\\".repeat(half)),
        format!("a: \"{}\"", " \n".repeat(half)),
        format!("a: |\n{}", " \n".repeat(half)),
        format!("a: {}", "b ".repeat(half)),
        format!("a: {}", "b\n ".repeat(half / 2)),
        "#".repeat(MAX_BYTES),
        "#\n".repeat(half),
        "\n".repeat(MAX_BYTES),
        "-\n".repeat(half),
        "a: 1\n".repeat(half / 3),
        format!("[{}", "a,".repeat(half - 10)),
        format!("{{{}", "a:,".repeat(half / 2)),
        format!("[{}", "? ".repeat(half - 10)),
        format!("%TAG ! {}\n---\na", "x".repeat(half)),
        "%A\n".repeat(half / 2),
        "'".repeat(MAX_BYTES),
        "&a ".repeat(half / 2),
        format!("? {}", "a".repeat(half)),
    ] {
        let _ = soon(text.as_bytes(), Format::Yaml);
        let _ = soon(text.as_bytes(), Format::Json);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Document::parse(&bytes, Format::Yaml);
        let _ = Document::parse(&bytes, Format::Json);
    }

    #[test]
    fn no_near_miss_makes_it_panic(text in "[-\\[\\]{}:,?&*!|>'\"%@#a0 .\\n~<$r/e]{0,120}") {
        let _ = Document::parse(yaml(&text).as_bytes(), Format::Yaml);
    }

    #[test]
    fn what_is_json_is_the_same_as_yaml(text in "[ -~]{0,30}", number in any::<i32>(), flag in any::<bool>()) {
        let document = json!({"openapi": "3.1.0", "info": {"title": text, "version": "1"},
            "paths": {"/a": {"get": {"summary": text, "deprecated": flag}}}, "x-n": [number, null]});
        let read = |format| Document::parse(document.to_string().as_bytes(), format);
        prop_assert!(read(Format::Json).is_ok());
        prop_assert_eq!(read(Format::Json), read(Format::Yaml));
    }
}
