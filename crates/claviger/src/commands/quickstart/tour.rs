//! What the tour makes: an API, an Application, a Subscription, and its key. What an earlier run made is
//! reused; a key's value that can't be read again is replaced by a new one.

use anyhow::{Context as _, bail};
use claviger_client::Client;
use claviger_domain::secret::Plaintext;
use serde_json::{Value, json};

/// The API's slug.
pub(super) const API: &str = "quickstart";
/// The Application's name.
const APPLICATION: &str = "Quickstart";
/// Where it is called.
const ENVIRONMENT: &str = "sandbox";

/// All that the two calls need.
pub(super) struct Tour {
    pub(super) application_id: String,
    pub(super) key_set_id: String,
    pub(super) key: Plaintext,
    /// Whether an earlier run had made the API.
    pub(super) again: bool,
}

impl Tour {
    pub(super) async fn make(client: &Client, upstream: &str) -> anyhow::Result<Self> {
        let again = api(client, upstream).await.context("the API")?;
        let application_id = application(client).await.context("the Application")?;
        let subscription = subscription(client, &application_id).await.context("the Subscription")?;
        let (key_set_id, key) = credential(client, &subscription).await.context("the key")?;
        Ok(Self { application_id, key_set_id, key, again })
    }
}

/// Whether it was there before.
async fn api(client: &Client, upstream: &str) -> anyhow::Result<bool> {
    let path = format!("/v1/apis/{API}");
    match client.get(&path).send::<Value>().await {
        Ok(found) => {
            client.patch(&path).body(&json!({ "upstreams": [upstream] })).send::<Value>().await?;
            if found.body["exposed"] != true {
                let exposure = client.put(&format!("{path}/exposure")).body(&json!({ "exposed": true }));
                exposure.send::<Value>().await?;
            }
            Ok(true)
        }
        Err(error) if error.code() == Some("not_found") => {
            let body = json!({
                "slug": API, "name": "Quickstart", "upstreams": [upstream], "auth_types": ["api_key"],
                "requires": "key", "exposed": true,
            });
            client.post("/v1/apis").body(&body).send::<Value>().await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Its id.
async fn application(client: &Client) -> anyhow::Result<String> {
    let named = vec![("q".to_owned(), APPLICATION.to_owned())];
    let found: Vec<Value> = client.pages("/v1/applications", named).all().await?;
    let application = match found.into_iter().find(|application| application["name"] == APPLICATION) {
        Some(application) => application,
        None => {
            client.post("/v1/applications").body(&json!({ "name": APPLICATION })).send::<Value>().await?.body
        }
    };
    let id = text(&application, "/id")?;
    if application["status"] == "suspended" {
        client.post(&format!("/v1/applications/{id}/activate")).send::<Value>().await?;
    }
    Ok(id)
}

/// The living Subscription, with credentials if it is new.
async fn subscription(client: &Client, application_id: &str) -> anyhow::Result<Value> {
    let filters = [("application_id", application_id), ("api_id", API), ("status", "active")];
    let filters = filters.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let found: Vec<Value> = client.pages("/v1/subscriptions", filters).all().await?;
    if let Some(subscription) = found.into_iter().find(|found| found["environment"]["slug"] == ENVIRONMENT) {
        return Ok(subscription);
    }
    let body = json!({ "application_id": application_id, "api_id": API, "environment_id": ENVIRONMENT });
    Ok(client.post("/v1/subscriptions").body(&body).send::<Value>().await?.body)
}

/// The Key Set's id and the key's value: from the Subscription's answer, or made anew.
async fn credential(client: &Client, subscription: &Value) -> anyhow::Result<(String, Plaintext)> {
    if let Ok(key) = text(subscription, "/credentials/0/key") {
        return Ok((text(subscription, "/credentials/0/key_set_id")?, Plaintext::new(key)));
    }
    let sets = subscription["key_sets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let living = |set: &&Value| matches!(set["status"].as_str(), Some("active" | "suspended"));
    let Some(set) = sets.iter().find(living) else {
        let path = format!("/v1/subscriptions/{}/renew", text(subscription, "/id")?);
        let renewed = client.post(&path).send::<Value>().await?.body;
        let key = text(&renewed, "/credentials/0/key")?;
        return Ok((text(&renewed, "/credentials/0/key_set_id")?, Plaintext::new(key)));
    };
    let id = text(set, "/id")?;
    if set["status"] == "suspended" {
        client.post(&format!("/v1/key-sets/{id}/activate")).send::<Value>().await?;
    }
    let made = client.post(&format!("/v1/key-sets/{id}/regenerate")).send::<Value>().await?.body;
    Ok((id, Plaintext::new(text(&made, "/credentials/0/key").or_else(|_| text(&made, "/credentials/key"))?)))
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => bail!("the server's answer has no {pointer}"),
    }
}
