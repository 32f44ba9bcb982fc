//! Documents with mistakes, as people make them: every fault has its place and says what to do.

use claviger_openapi::Format;
use serde_json::{Value, json};

use crate::{document, faults, operation, refused};

fn at(document: &Value) -> Vec<(String, String)> {
    faults(document).into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

fn one(document: &Value, pointer: &str, word: &str) {
    let found = at(document);
    assert!(found.iter().any(|(place, detail)| place == pointer && detail.contains(word)), "{found:?}");
}

#[test]
fn a_fault_is_named_by_its_place_in_every_version() {
    for version in ["3.0.3", "3.1.0", "3.2.0"] {
        let with = |item: Value| document(version, json!({"/a": item}));
        // From 3.2 on an answer needs no description.
        if version != "3.2.0" {
            one(
                &with(json!({"get": {"responses": {"200": {}}}})),
                "/paths/~1a/get/responses/200",
                "must have description",
            );
        }
        one(&with(json!({"fetch": operation()})), "/paths/~1a/fetch", "no field");
        one(&with(json!({"get": 5})), "/paths/~1a/get", "an object");
        let parameter = json!({"name": "a", "in": "somewhere", "schema": {}});
        one(&with(json!({"parameters": [parameter]})), "/paths/~1a/parameters/0/in", "must be");
        let typed = json!({"responses": {"200": {"description": 5}}});
        one(&with(json!({"get": typed})), "/paths/~1a/get/responses/200/description", "put it in quotes");
        let schema = json!({"responses": {"200": {"description": "", "content": {"a/b": {"schema": {
            "properties": {"a": {"items": {"required": "a"}}}}}}}}});
        let deep = "/paths/~1a/get/responses/200/content/a~1b/schema/properties/a/items/required";
        one(&with(json!({"get": schema})), deep, "a list");
        let mut untitled = document(version, json!({}));
        untitled["info"] = json!({"version": "1"});
        one(&untitled, "/info", "must have title");
        one(&document(version, json!({"a": {}})), "/paths/a", "no field");
        let mut component = document(version, json!({}));
        component["components"] = json!({"schemas": {"no space": {}}});
        // OpenAPI 3.0's own schema lets any name pass.
        if version != "3.0.3" {
            one(&component, "/components/schemas", "name is not allowed: no space");
        }
    }
}

#[test]
fn what_no_schema_says_is_looked_for_as_well() {
    let twice = json!({"operationId": "same", "responses": operation()["responses"]});
    let paths = json!({"/a": {"get": twice, "post": twice}});
    one(&document("3.1.0", paths), "/paths/~1a/post/operationId", "also that of GET /a");
    let alike = json!({"/a/{x}/b": {"get": operation()}, "/a/{y}/b": {"get": operation()}});
    one(&document("3.0.3", alike), "/paths/~1a~1{y}~1b", "same path as /a/{x}/b");
    let nothing = json!({"/a": {"get": {"responses": {"200": {"$ref": "#/components/responses/No"}}}}});
    one(&document("3.0.3", nothing), "/paths/~1a/get/responses/200/$ref", "leads to nothing");
}

#[test]
fn another_format_is_told_what_it_is() {
    one(&json!({"swagger": "2.0", "info": {}, "paths": {}}), "/openapi", "Swagger");
    one(&json!({"openapi": "4.0.0"}), "/openapi", "3.0, 3.1 or 3.2");
    one(&json!({"openapi": "3.10.0"}), "/openapi", "3.0, 3.1 or 3.2");
    one(&json!({"openapi": 3.1}), "/openapi", "version");
    one(&json!([]), "", "an object");
    refused(
        b"openapi: 3.1.0\ninfo: {title: t, version: 1.0}\npaths: {}",
        Format::Yaml,
        "/info/version",
        "quotes",
    );
    let nothing = json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}});
    one(&nothing, "", "must have one of paths, components, webhooks");
    refused(b"<!DOCTYPE html>", Format::Json, "", "can't be read as JSON");
    refused(b"", Format::Json, "", "can't be read as JSON");
    refused(b"# nothing\n", Format::Yaml, "", "empty");
}

#[test]
fn no_answer_names_more_than_twenty_faults() {
    let paths: serde_json::Map<String, Value> =
        (0..100).map(|at| (format!("/a{at}"), json!({"get": {"a": 1, "b": 2, "c": 3}}))).collect();
    assert_eq!(at(&document("3.1.0", paths.into())).len(), 20);
}
