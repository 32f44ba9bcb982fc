//! An API, an Application that has subscribed to it, and the Key Set that this made.

use serde_json::Value;

use super::Shell;

/// What a subscription made, and what is needed to try it.
pub(super) struct Workspace {
    pub(super) api: String,
    pub(super) application: String,
    pub(super) subscription: Value,
    pub(super) key_set: String,
}

/// A policy template whose credentials can be retrieved.
pub(super) fn retrievable(shell: &Shell<'_>) -> String {
    let made = shell.json(&["policy-templates", "create", "--name", "Retrievable", "--retrievable", "true"]);
    id(&made)
}

/// The id of what was made.
pub(super) fn id(made: &Value) -> String {
    made["id"].as_str().expect("an id").to_owned()
}

impl Workspace {
    /// Under this template; with the auth type `api_key`.
    pub(super) fn new(shell: &Shell<'_>, slug: &str, template: &str) -> Self {
        Self::with_auth_types(shell, slug, template, "api_key")
    }

    /// With several auth types, separated by commas.
    pub(super) fn with_auth_types(shell: &Shell<'_>, slug: &str, template: &str, auth_types: &str) -> Self {
        shell.json(&[
            "apis",
            "create",
            "--slug",
            slug,
            "--name",
            slug,
            "--upstreams",
            "http://127.0.0.1:9000",
            "--auth-types",
            auth_types,
            "--requires",
            "key",
            "--exposed",
            "true",
            "--policy-template-id",
            template,
        ]);
        let application =
            id(&shell.json(&["applications", "create", "--name", &format!("Caller of {slug}")]));
        let subscription = shell.json(&[
            "subscriptions",
            "create",
            "--application-id",
            &application,
            "--api-id",
            slug,
            "--environment-id",
            "production",
        ]);
        let key_set = subscription["key_sets"][0]["id"].as_str().expect("a Key Set").to_owned();
        Self { api: slug.to_owned(), application, subscription, key_set }
    }

    /// The value of the LATEST Key.
    pub(super) fn retrieve(&self, shell: &Shell<'_>) -> String {
        shell.json(&["key-sets", "retrieve", &self.key_set])["key"].as_str().expect("a key").to_owned()
    }

    /// The code of the decision on this key; its exit code must agree.
    #[track_caller]
    pub(super) fn verify(&self, shell: &Shell<'_>, key: &str) -> String {
        let output = shell.run_with(&["verify", "-", "--api", &self.api, "--json"], key);
        let decision: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.stderr));
        let code = decision["code"].as_str().expect("a code").to_owned();
        assert_eq!(output.status.code(), Some(i32::from(code != "valid")), "{code}");
        code
    }
}
