//! What was counted about calls.

use crate::rest::verb::{Column, Flag, Noun, Verb, column, filter, listing, parameter, rows};

const COLUMNS: &[Column] = &[
    column("from", "/start"),
    column("calls", "/calls"),
    column("refused", "/refused"),
    column("median ms", "/latency/median_ms"),
    column("p99 ms", "/latency/p99_ms"),
    column("key", "/key_id"),
    column("API", "/api_id"),
    column("Application", "/application_id"),
    column("code", "/code"),
];

const RANGE: &[Flag] = &[
    parameter("from", "The instant or day that it begins with; otherwise a day before its end"),
    parameter("to", "The instant or day that it ends before; otherwise the end of the running step"),
    parameter("step", "minute, hour (default) or day"),
    parameter("by", "key, api, application or code; otherwise all together"),
];

const WHOSE: &[Flag] = &[
    filter("key-id", "Only of this Key or shared key"),
    filter("key-set-id", "Only of this Key Set"),
    filter("application-id", "Only of this Application"),
];

pub(super) const USAGE: Noun = Noun {
    name: "usage",
    about: "How often APIs are called, by whom, and what is refused",
    verbs: &[listing("Count calls by step of time", "/v1/usage", COLUMNS).flags(&[
        RANGE,
        WHOSE,
        &[filter("api-id", "Only at this API, by id or slug")],
    ])],
};

/// How often one API is called.
pub(super) const OF_API: Verb =
    rows("usage", "Count its calls by step of time", "/v1/apis/{id}/usage", COLUMNS).flags(&[RANGE, WHOSE]);

/// What the last calls of one API were answered with.
pub(super) const CALLS: Verb = rows(
    "calls",
    "List the last responses that the gateway gave",
    "/v1/apis/{id}/calls",
    &[
        column("at", "/at"),
        column("status", "/status"),
        column("decision", "/code"),
        column("method", "/method"),
        column("path", "/path"),
        column("key", "/key_id"),
        column("source", "/source"),
        column("ms", "/latency_ms"),
    ],
)
.flags(&[&[
    filter("key-id", "Only of this Key or shared key"),
    filter("code", "Only with this code of the decision"),
]]);
