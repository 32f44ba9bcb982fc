//! Sends the request of a command and prints the answer.

use std::io::{self, Read as _};
use std::time::Duration;

use anyhow::Context as _;
use claviger_client::Client;
use serde_json::{Map, Value, json};

use super::access;
use super::nouns::EVENT_COLUMNS;
use super::request::{Asks, Body, Request, VerbRequest};
use super::show;
use crate::commands::Outcome;
use crate::terminal;

/// How often `events tail` looks for news.
const TAIL_PAUSE: Duration = Duration::from_millis(500);
/// How long it waits at most before it tries a server again that is away.
const LONGEST_TAIL_PAUSE: Duration = Duration::from_secs(30);

/// Carries out a command of the REST API.
pub(crate) async fn run(request: Request) -> anyhow::Result<Outcome> {
    let json = request.place.json;
    let client = access::client(request.place.url.as_deref())?;
    let result = match request.asks {
        Asks::Verb(verb) => {
            return of_verb(&client, *verb, json).await.or_else(|error| refused(error, json));
        }
        Asks::Verify { body } => return verify(&client, body, json).await,
        Asks::WhichKey => which_key(&client, json).await,
        Asks::Tail { query } => tail(&client, query, json).await,
        Asks::Document(document) => document.run(&client, json).await,
    };
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => refused(error, json),
    }
}

/// A refusal is an answer: shown as such. Anything else went wrong.
pub(crate) fn refused(error: anyhow::Error, json: bool) -> anyhow::Result<Outcome> {
    let Some(problem) = error.downcast_ref::<claviger_client::Error>().and_then(|error| error.problem())
    else {
        return Err(error);
    };
    terminal::print_error(&if json {
        serde_json::to_string_pretty(problem)?
    } else {
        show::problem(problem)
    });
    Ok(Outcome::Refused)
}

/// `claviger gateway enroll`: makes a data node's token, and says what to do with it.
pub(crate) async fn enroll(name: &str, url: Option<String>, as_json: bool) -> anyhow::Result<Outcome> {
    let client = access::client(url.as_deref())?;
    let body = json!({ "name": name });
    let answer = match client.post("/v1/nodes/enroll").body(&body).send::<Value>().await {
        Ok(answer) => answer.body,
        Err(error) => return refused(error.into(), as_json),
    };
    show::answer(&answer, super::verb::Shows::Object, as_json)?;
    if !as_json {
        terminal::print_error(&format!(
            "The token is good for one node, until the time above. On that node's machine, with the token on its \
             standard input:  claviger gateway join --control-url {}",
            client.url()
        ));
    }
    Ok(Outcome::Done)
}

async fn of_verb(client: &Client, request: VerbRequest, json: bool) -> anyhow::Result<Outcome> {
    if request.all {
        let items: Vec<Value> = client.pages(&request.path, request.query).all().await?;
        show::answer(&json!({ "items": items, "next_cursor": null }), request.shows, json)?;
        return Ok(Outcome::Done);
    }
    let mut call = client.call(request.method, &request.path).query(&request.query);
    if let Some(body) = request.body {
        call = call.body(&whole(body)?);
    }
    if let Some(key) = &request.idempotency_key {
        call = call.idempotency_key(key);
    }
    if let Some(etag) = &request.if_match {
        call = call.if_match(etag);
    }
    let answer = call.send::<Value>().await?;
    show::answer(&answer.body, request.shows, json)?;
    Ok(if has_refusals(&answer.body) { Outcome::Refused } else { Outcome::Done })
}

/// Whether this is the answer of an act on many, and one of them was refused.
fn has_refusals(body: &Value) -> bool {
    let outcomes = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    outcomes.iter().any(|outcome| outcome["done"] == Value::Bool(false))
}

fn whole(body: Body) -> anyhow::Result<Value> {
    let text = match &body.file {
        Some(file) if file.as_os_str() == "-" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            Some(text)
        }
        Some(file) => Some(std::fs::read_to_string(file).with_context(|| file.display().to_string())?),
        None => None,
    };
    body.over(text.as_deref()).map_err(anyhow::Error::msg)
}

async fn verify(client: &Client, mut body: Map<String, Value>, json: bool) -> anyhow::Result<Outcome> {
    let lines = access::secret_lines()?;
    let mut credential = Map::new();
    for (name, line) in ["key", "secret"].iter().zip(&lines) {
        credential.insert((*name).to_owned(), Value::from(line.expose()));
    }
    body.insert("credential".to_owned(), Value::Object(credential));
    let decision = match client.post("/v1/verify").body(&body).send::<Value>().await {
        Ok(answer) => answer.body,
        Err(error) => return refused(error.into(), json),
    };
    show::answer(&decision, super::verb::Shows::Object, json)?;
    Ok(if decision["allowed"] == Value::Bool(true) { Outcome::Done } else { Outcome::Refused })
}

async fn which_key(client: &Client, json: bool) -> anyhow::Result<()> {
    let lines = access::secret_lines()?;
    let value = lines.first().context("standard input is empty")?;
    let answer = client.post("/v1/which-key").body(&json!({ "value": value.expose() })).send().await?;
    show::answer(&answer.body, super::verb::Shows::Object, json)
}

/// Prints events from now on; ends only when it is ended.
async fn tail(client: &Client, query: Vec<(String, String)>, json: bool) -> anyhow::Result<()> {
    let newest = client.get("/v1/events").query(&[("limit", "1")]).send::<Value>().await?.body;
    let mut position = newest.pointer("/items/0/position").and_then(Value::as_i64).unwrap_or_default();
    let (mut first, mut pause) = (true, TAIL_PAUSE);
    loop {
        tokio::time::sleep(pause).await;
        let mut parameters = query.clone();
        parameters.push(("sort".to_owned(), "position".to_owned()));
        parameters.push(("position_after".to_owned(), position.to_string()));
        let items: Vec<Value> = match client.pages("/v1/events", parameters).all().await {
            Ok(items) => items,
            Err(error) if is_away(&error) => {
                if pause == TAIL_PAUSE {
                    terminal::print_error(&format!("{error}; trying again until it answers"));
                }
                pause = (pause * 2).min(LONGEST_TAIL_PAUSE);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        pause = TAIL_PAUSE;
        for item in &items {
            position = position.max(item["position"].as_i64().unwrap_or_default());
        }
        if !items.is_empty() {
            show::events(&items, EVENT_COLUMNS, json, first)?;
            first = false;
        }
    }
}

/// Whether the same question may well be answered later.
fn is_away(error: &claviger_client::Error) -> bool {
    match error {
        claviger_client::Error::Unreachable { .. } | claviger_client::Error::TimedOut { .. } => true,
        claviger_client::Error::Strange { status, .. } => *status >= 500,
        error => error.problem().is_some_and(|problem| problem.status >= 500),
    }
}
