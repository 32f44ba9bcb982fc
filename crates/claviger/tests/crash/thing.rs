//! What one client makes and changes: an Application with its Subscription and Key Set, as a small model of its
//! own. The server's answers are held against it.

use serde_json::{Value, json};

/// One request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Create,
    Rename,
    Subscribe,
    Suspend,
    Activate,
    Regenerate,
    Revoke,
}

/// An Application and what hangs on it. No other client touches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    /// The name it is made with; nothing else is called so.
    pub(crate) first_name: String,
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) set: Option<Set>,
    /// Whether it was made; its id is only known if that was answered.
    pub(crate) made: bool,
    renamed: u32,
}

/// The Key Set, with the Keys of its chain from the oldest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) id: Option<String>,
    pub(crate) statuses: Vec<&'static str>,
    /// The values that were shown.
    pub(crate) values: Vec<Option<String>>,
}

impl Thing {
    pub(crate) fn new(name: String) -> Self {
        Self { first_name: name.clone(), name, id: None, set: None, made: false, renamed: 0 }
    }

    /// What can be asked for next, by a number that chance gave. None: the thing has come to its end.
    pub(crate) fn next(&self, chance: u32) -> Option<Act> {
        let Some(set) = &self.set else {
            return Some(if self.id.is_none() { Act::Create } else { Act::Subscribe });
        };
        let latest = set.statuses.last().copied().unwrap_or_default();
        match (latest, chance % 8) {
            ("revoked", _) => None,
            (_, 0) => Some(Act::Revoke),
            (_, 1 | 2) => Some(Act::Rename),
            (_, 3..=5) => Some(Act::Regenerate),
            ("suspended", _) => Some(Act::Activate),
            _ => Some(Act::Suspend),
        }
    }

    /// Method, path and body of the request.
    pub(crate) fn request(&self, act: Act, world: &Value) -> (&'static str, String, Value) {
        let id = self.id.as_deref().unwrap_or_default();
        let set = self.set.as_ref().and_then(|set| set.id.as_deref()).unwrap_or_default();
        let of_set = |verb: &str| ("POST", format!("/v1/key-sets/{set}/{verb}"), json!({}));
        match act {
            Act::Create => ("POST", "/v1/applications".to_owned(), json!({ "name": self.first_name })),
            Act::Rename => ("PATCH", format!("/v1/applications/{id}"), json!({ "name": self.next_name() })),
            Act::Subscribe => {
                let body =
                    json!({ "application_id": id, "api_id": world["api"], "environment_id": "production" });
                ("POST", "/v1/subscriptions".to_owned(), body)
            }
            Act::Suspend => of_set("suspend"),
            Act::Activate => of_set("activate"),
            Act::Regenerate => of_set("regenerate"),
            Act::Revoke => of_set("revoke"),
        }
    }

    /// What the act makes of the thing, with what its answer told.
    pub(crate) fn after(&self, act: Act, answer: &Value) -> Self {
        let mut thing = self.clone();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let value = || text(&answer["credentials"][0]["key"]);
        match act {
            Act::Create => {
                thing.id = text(&answer["id"]);
                thing.made = true;
            }
            Act::Rename => {
                thing.name = self.next_name();
                thing.renamed += 1;
            }
            Act::Subscribe => {
                let id = text(&answer["key_sets"][0]["id"]);
                thing.set = Some(Set { id, statuses: vec!["active"], values: vec![value()] });
            }
            Act::Suspend | Act::Activate | Act::Regenerate | Act::Revoke => {
                if let Some(set) = &mut thing.set {
                    set.change(act, value());
                }
            }
        }
        thing
    }

    fn next_name(&self) -> String {
        format!("{} ({})", self.first_name, self.renamed + 1)
    }
}

impl Set {
    fn change(&mut self, act: Act, value: Option<String>) {
        let Some(latest) = self.statuses.last_mut() else { return };
        match act {
            Act::Suspend => *latest = "suspended",
            Act::Activate => *latest = "active",
            Act::Revoke => *latest = "revoked",
            _ => {
                // The new Key inherits its state; the old one is revoked at once.
                let inherited = std::mem::replace(latest, "revoked");
                self.statuses.push(inherited);
                self.values.push(value);
            }
        }
    }
}
