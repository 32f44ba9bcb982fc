//! Good documents of each version, in both notations, and what is read from them.

use claviger_openapi::{Document, Format, MAX_BYTES, Version};
use serde_json::json;

use crate::{document, operation, parse};

const YAML: &str = r##"# Comments stay, since the bytes do.
openapi: 3.1.0
info: {title: "Orders \u202Eand more", version: '1.0'}
servers:
  - url: https://elsewhere.example/v1
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
      - {name: trace, in: header, description: Of the path., schema: {type: string}}
    get:
      operationId: readOrder
      summary: Read <b>one</b>
      description: |
        Two lines
        of text.
      deprecated: true
      tags: [orders]
      parameters:
        - {name: trace, in: header, description: Of the operation., schema: {type: string}}
        - $ref: '#/components/parameters/Page'
      responses:
        200: {description: Here it is., content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
        404: {$ref: '#/components/responses/NotFound'}
    put:
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}, text/csv: {}}
      responses:
        default: {description: Whatever.}
  /orders:
    post:
      responses: {'201': {description: Made.}}
components:
  parameters:
    Page: {name: page, in: query, deprecated: true, schema: {type: integer}}
  responses:
    NotFound: {description: There is none.}
  schemas:
    Order:
      type: object
      properties:
        next: {$ref: '#/components/schemas/Order'}
        price: {type: number, exclusiveMinimum: 0}
"##;

#[test]
fn a_document_is_listed_as_its_operations() {
    let document = Document::parse(YAML.as_bytes(), Format::Yaml).expect("a good document");
    assert_eq!((document.version, document.title.as_str()), (Version::V3_1, "Orders and more"));
    let listed: Vec<_> =
        document.operations.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect();
    assert_eq!(listed, [("POST", "/orders"), ("GET", "/orders/{id}"), ("PUT", "/orders/{id}")]);
    let read = serde_json::to_value(&document.operations[1]).expect("serialises");
    assert_eq!(
        read,
        json!({
            "method": "GET", "path": "/orders/{id}", "operation_id": "readOrder",
            "summary": "Read <b>one</b>", "description": "Two lines\nof text.\n",
            "deprecated": true, "tags": ["orders"],
            "parameters": [
                {"name": "trace", "in": "header", "required": false, "deprecated": false, "description": "Of the operation."},
                {"name": "page", "in": "query", "required": false, "deprecated": true, "description": null},
                {"name": "id", "in": "path", "required": true, "deprecated": false, "description": null},
            ],
            "request_body": null,
            "responses": [
                {"status": "200", "description": "Here it is."}, {"status": "404", "description": "There is none."},
            ],
        })
    );
    let body = document.operations[2].request_body.as_ref().expect("a body");
    assert!(body.required);
    assert_eq!(body.media_types, ["application/json", "text/csv"]);
}

#[test]
fn both_notations_say_the_same() {
    let json = document("3.0.3", json!({"/a": {"get": operation()}, "/b": {"$ref": "#/paths/~1a"}}));
    let yaml = "openapi: 3.0.3\ninfo: {title: Orders, version: '1'}\npaths:\n  /a: &no\n";
    assert!(Document::parse(yaml.as_bytes(), Format::Yaml).is_err());
    let yaml = "\u{feff}openapi: 3.0.3\ninfo: {title: Orders, version: '1'}\npaths:\n  /a:\n    get:\n      responses:\n        \
                200: {description: Good.}\n  /b:\n    $ref: '#/paths/~1a'\n";
    let from_json = parse(&json).expect("a good document");
    assert_eq!(Document::parse(yaml.as_bytes(), Format::Yaml).expect("a good document"), from_json);
    assert_eq!(Document::parse(json.to_string().as_bytes(), Format::Yaml).expect("JSON is YAML"), from_json);
    assert_eq!(from_json.operations.len(), 2, "a path may be another's");
}

#[test]
fn every_version_is_read() {
    for (version, known) in [
        ("3.0.0", Version::V3_0),
        ("3.0.4", Version::V3_0),
        ("3.1.0", Version::V3_1),
        ("3.1.2", Version::V3_1),
        ("3.2.0", Version::V3_2),
    ] {
        let read = parse(&document(version, json!({"/a": {"get": operation()}}))).expect(version);
        assert_eq!((read.version, read.operations.len()), (known, 1), "{version}");
    }
    let query = document(
        "3.2.0",
        json!({"/a": {"query": operation(), "additionalOperations": {"COPY": operation()}}}),
    );
    let methods: Vec<_> = parse(&query).expect("3.2").operations.into_iter().map(|it| it.method).collect();
    assert_eq!(methods, ["QUERY", "COPY"]);
    let hooks = json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "webhooks": {"a": {"post": operation()}}});
    assert_eq!(parse(&hooks).expect("no paths").operations, []);
}

#[test]
fn servers_and_further_texts_are_only_data() {
    let mut data = document("3.1.0", json!({"/a": {"get": operation(), "x-own": {"any": ["thing"]}}}));
    data["servers"] =
        json!([{"url": "http://169.254.169.254/{x}", "variables": {"x": {"default": "latest"}}}]);
    data["externalDocs"] = json!({"url": "https://elsewhere.example"});
    data["components"] =
        json!({"schemas": {"A": {"pattern": "(((((a+)+)+)+)+)+$", "format": "none", "x-big": 1e300}}});
    assert_eq!(parse(&data).expect("a good document").operations.len(), 1);
}

#[test]
fn a_document_as_large_as_can_be_is_read() {
    let mut paths = serde_json::Map::new();
    for at in 0..4_900 {
        let text = "Reads one of the many things that there are. ".repeat(20);
        paths.insert(
            format!("/things/{at}"),
            json!({"get": {"summary": text, "responses": operation()["responses"]}}),
        );
    }
    let mut text = document("3.1.0", paths.into()).to_string();
    text.push_str(&" ".repeat(MAX_BYTES - text.len()));
    let read = Document::parse(text.as_bytes(), Format::Json).expect("a good document");
    assert_eq!(read.operations.len(), 4_900);
    assert!(read.operations[0].summary.as_ref().is_some_and(|text| text.chars().count() == 200));
    Document::parse(text.as_bytes(), Format::Yaml).expect("a good document");
}
