//! Where OpenAPI documents of APIs are pulled from and pushed to.

use crate::rest::verb::{Flag, Noun, boolean, delete, post, put, reading, text};

/// What an integration is.
const SETTINGS: &[Flag] = &[
    text("address", "git@host:path or ssh://git@host[:port]/path").required(),
    text("branch", "Such as main").required(),
    text("path", "Where in the repository the document is, such as api/openapi.yaml").required(),
    text("key-pair-id", "The key pair that signs in to the host").required(),
    boolean("enabled", "Whether anything is pulled or pushed (true)"),
];

const START: &[Flag] =
    &[text("out-of-sync", "Where both sides have changed: abort (default), or overwrite the other side")];

pub(super) const GIT_INTEGRATIONS: Noun = Noun {
    name: "git-integrations",
    about: "Where OpenAPI documents of APIs are pulled from and pushed to",
    verbs: &[
        reading("show", "Show the Git integration of an API", "/v1/apis/{api}/git-integration"),
        put("put", "Set up or change the Git integration of an API", "/v1/apis/{api}/git-integration")
            .flags(&[SETTINGS]),
        post("test", "Try an integration, and save nothing", "/v1/apis/{api}/git-integration/test")
            .flags(&[SETTINGS]),
        post("pull", "Pull the document; a job says how it went", "/v1/apis/{api}/git-integration/pull")
            .flags(&[START]),
        post("push", "Push the document; a job says how it went", "/v1/apis/{api}/git-integration/push")
            .flags(&[START]),
        delete(
            "forget-host-key",
            "Forget the pinned key of the host; the next one is pinned",
            "/v1/apis/{api}/git-integration/host-key",
        ),
        delete("delete", "Remove the integration; the document stays", "/v1/apis/{api}/git-integration"),
    ],
};
