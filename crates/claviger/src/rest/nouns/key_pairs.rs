//! Key pairs: what the company uses towards others, who has access, and the tokens that they sign.

use super::{ACT, NAME, SEARCH};
use crate::rest::verb::{
    Flag, Noun, boolean, column, delete, filter, json, list, listing, patch, post, put, reading, rows,
    switch, text,
};

const ALGORITHM: Flag = text("algorithm", "ed25519, ecdsa-p256, rsa-3072 or rsa-4096");
const LEVEL: &[Flag] = &[text("level", "read, write or admin").required()];

pub(super) const KEY_PAIRS: Noun = Noun {
    name: "key-pairs",
    about: "Asymmetric pairs for use towards others; the private half never leaves the keeper",
    verbs: &[
        listing(
            "List the key pairs that you have access to",
            "/v1/key-pairs",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("algorithm", "/algorithm"),
                column("uses", "/uses"),
                column("fingerprint", "/public_key/fingerprint"),
                column("access", "/access"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[
            SEARCH,
            &[
                filter("organization-id", "Only of this Organization"),
                filter("algorithm", "Only of this algorithm"),
            ],
        ]),
        post("create", "Make a key pair; you are its admin", "/v1/key-pairs").flags(&[
            NAME,
            &[
                ALGORITHM,
                list("uses", "git (default), jwt, or both; fixed from then on"),
                switch("public", "Let anybody read the public half; for pairs that sign tokens"),
                text("organization-id", "The Organization; otherwise one's own"),
            ],
        ]),
        reading("show", "Show a key pair with its public half", "/v1/key-pairs/{id}"),
        patch("update", "Rename a key pair, or publish its public half", "/v1/key-pairs/{id}").flags(&[&[
            text("name", "1 to 100 characters"),
            boolean("public", "Whether anybody may read the public half"),
        ]]),
        post("replace", "Make a new pair beside an old one, which stays", "/v1/key-pairs/{id}/replace")
            .flags(&[
                &[text("name", "The new one's; otherwise the old one's with a number"), ALGORITHM],
                ACT,
            ]),
        post("sign-jwt", "Sign claims as a JSON Web Token", "/v1/key-pairs/{id}/sign-jwt").flags(&[&[
            json("claims", "A JSON object, such as {\"aud\": \"partner\"}").required(),
            text("ttl", "For how long it is good; PT5M if left out, PT24H at most"),
        ]]),
        rows(
            "attachments",
            "Show what uses a key pair",
            "/v1/key-pairs/{id}/attachments",
            &[column("kind", "/kind"), column("API", "/api/id"), column("name", "/api/name")],
        ),
        rows(
            "acl",
            "Show who has access",
            "/v1/key-pairs/{id}/acl",
            &[
                column("kind", "/kind"),
                column("id", "/id"),
                column("name", "/name"),
                column("level", "/level"),
            ],
        ),
        rows(
            "candidates",
            "Find Groups and members to share with",
            "/v1/key-pairs/{id}/acl/candidates",
            &[
                column("kind", "/kind"),
                column("id", "/id"),
                column("name", "/name"),
                column("level", "/level"),
            ],
        )
        .flags(&[SEARCH]),
        put("grant-everyone", "Share with everyone in the Organization", "/v1/key-pairs/{id}/acl/everyone")
            .flags(&[LEVEL]),
        put("grant-group", "Share with a Group", "/v1/key-pairs/{id}/acl/group/{group}").flags(&[LEVEL]),
        put("grant-member", "Share with a member", "/v1/key-pairs/{id}/acl/member/{member}").flags(&[LEVEL]),
        delete("revoke-everyone", "Share with everyone no more", "/v1/key-pairs/{id}/acl/everyone"),
        delete("revoke-group", "Share with a Group no more", "/v1/key-pairs/{id}/acl/group/{group}"),
        delete("revoke-member", "Share with a member no more", "/v1/key-pairs/{id}/acl/member/{member}"),
        delete("delete", "Delete a key pair that nothing uses", "/v1/key-pairs/{id}"),
    ],
};
