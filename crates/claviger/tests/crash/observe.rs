//! What the server says of a thing after a crash, held against what its client was answered.

use claviger_client::Client;
use serde_json::{Value, json};

use super::clients::{Known, send};
use super::thing::Thing;

/// A thing as the server has it. `None`: it is not there at all.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    name: String,
    /// Of each Key Set: the statuses of its Keys from the oldest, and how many Subscriptions use it.
    sets: Vec<(Vec<String>, usize)>,
    subscriptions: usize,
}

/// What came of the requests without an answer.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Unanswered {
    pub(crate) done: usize,
    pub(crate) not_done: usize,
}

/// Demands that everything answered is there and nothing is half there; then sends what had no answer again
/// under its key, and demands that it is done once.
pub(crate) async fn check(client: &Client, world: &Value, known: &Known) -> Unanswered {
    let mut unanswered = Unanswered::default();
    for (at, thing) in known.things.iter().enumerate() {
        let open = known.unanswered.as_ref().filter(|_| at + 1 == known.things.len());
        let seen = see(client, thing).await;
        let Some(open) = open else {
            assert_eq!(seen, expected(thing), "an answered write is not there");
            decides(client, world, thing).await;
            continue;
        };
        let done = thing.after(open.act, &Value::Null);
        let was_done = seen == expected(&done);
        assert!(
            was_done || seen == expected(thing),
            "{:?} is half there, or what was answered before it is lost: {seen:?}, of {thing:?}",
            open.act
        );
        unanswered.done += usize::from(was_done);
        unanswered.not_done += usize::from(!was_done);
        let again = send(client, world, thing, open.act, &open.idempotency_key).await;
        let again = again.unwrap_or_else(|error| panic!("{:?} again: {error}", open.act));
        assert_eq!(again.replayed, was_done, "{:?} is known by its Idempotency-Key if it was done", open.act);
        let done = thing.after(open.act, &again.body);
        assert_eq!(see(client, &done).await, expected(&done), "sent again, it is done once");
        decides(client, world, &done).await;
    }
    unanswered
}

fn expected(thing: &Thing) -> Option<Seen> {
    thing.made.then(|| Seen {
        name: thing.name.clone(),
        sets: thing
            .set
            .iter()
            .map(|set| (set.statuses.iter().map(|status| (*status).to_owned()).collect(), 1))
            .collect(),
        subscriptions: usize::from(thing.set.is_some()),
    })
}

async fn see(client: &Client, thing: &Thing) -> Option<Seen> {
    let list = async |path: &str, parameter: (&str, &str)| -> Vec<Value> {
        let query = vec![(parameter.0.to_owned(), parameter.1.to_owned())];
        let items = client.pages(path, query).all().await;
        items.unwrap_or_else(|error| panic!("list {path}: {error}"))
    };
    let named = list("/v1/applications", ("q", &thing.first_name)).await;
    // The names of other things may begin alike.
    let mut named = named.iter().filter(|application| {
        let name = application["name"].as_str().unwrap_or_default();
        name == thing.first_name || name.starts_with(&format!("{} (", thing.first_name))
    });
    let application = named.next()?;
    assert!(named.next().is_none(), "{} was made twice", thing.first_name);
    let id = application["id"].as_str().unwrap_or_default();
    assert!(thing.id.as_deref().is_none_or(|answered| answered == id), "another {}", thing.first_name);
    let sets = list("/v1/key-sets", ("application_id", id)).await;
    let subscriptions = list("/v1/subscriptions", ("application_id", id)).await;
    Some(Seen {
        name: application["name"].as_str().unwrap_or_default().to_owned(),
        sets: sets.iter().map(seen_set).collect(),
        subscriptions: subscriptions.iter().filter(|one| one["status"] == "active").count(),
    })
}

fn seen_set(set: &Value) -> (Vec<String>, usize) {
    let mut keys: Vec<&Value> = set["keys"].as_array().into_iter().flatten().collect();
    keys.sort_by_key(|key| key["generation"].as_i64());
    let statuses = keys.iter().map(|key| key["status"].as_str().unwrap_or_default().to_owned());
    (statuses.collect(), set["subscriptions"].as_array().map_or(0, Vec::len))
}

/// Each Key whose value was shown is decided on as its state says.
async fn decides(client: &Client, world: &Value, thing: &Thing) {
    let Some(set) = &thing.set else { return };
    for (status, value) in set.statuses.iter().zip(&set.values) {
        let Some(value) = value else { continue };
        let question = json!({ "credential": { "key": value }, "api": world["api"] });
        let answer = client.post("/v1/verify").body(&question).send::<Value>().await;
        let answer = answer.unwrap_or_else(|error| panic!("verify: {error}")).body;
        let code = if *status == "active" { "valid" } else { *status };
        assert_eq!(answer["code"], code, "a Key of {thing:?}");
    }
}

/// The server answers on calls though it has no database.
pub(crate) async fn decides_without_a_database(client: &Client) {
    let unknown = "clv_key_00000000000000000000000000000000000000";
    let question = json!({ "credential": { "key": unknown }, "api": "orders" });
    let answer = client.post("/v1/verify").body(&question).send::<Value>().await.expect("a decision");
    assert_eq!(answer.body["code"], "malformed");
}
