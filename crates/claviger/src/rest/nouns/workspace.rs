//! Applications, Subscriptions and Key Sets.

use super::{ACT, NAME, SEARCH};
use crate::rest::verb::{
    Flag, Noun, column, delete, filter, list, listing, parameter, patch, post, put, reading, rows, switch,
    text,
};

const IMPACT: &[Flag] = &[parameter("act", "The act whose consequences are asked for").required()];

pub(super) const APPLICATIONS: Noun = Noun {
    name: "applications",
    about: "Consumers' programs",
    verbs: &[
        listing(
            "List Applications",
            "/v1/applications",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("status", "/status"),
                column("group", "/group_id"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[
            SEARCH,
            &[
                filter("status", "active or suspended"),
                filter("organization-id", "Only of this Organization"),
                filter("group-id", "Only of this Group"),
            ],
        ]),
        post("create", "Add an Application", "/v1/applications")
            .flags(&[NAME, &[text("group-id", "The Group that owns it")]]),
        reading("show", "Show one Application", "/v1/applications/{id}"),
        patch("rename", "Rename an Application", "/v1/applications/{id}").flags(&[NAME]),
        post("suspend", "Suspend it and all its Key Sets", "/v1/applications/{id}/suspend").flags(&[ACT]),
        post("activate", "Activate it and the Key Sets that it suspended", "/v1/applications/{id}/activate")
            .flags(&[ACT, &[text("key-sets", "cascaded (default) or all: also those suspended by hand")]]),
        reading("impact", "Say what an act would break", "/v1/applications/{id}/impact").flags(&[IMPACT]),
        delete("delete", "Delete an Application that nothing uses", "/v1/applications/{id}"),
    ],
};

pub(super) const SUBSCRIPTIONS: Noun = Noun {
    name: "subscriptions",
    about: "The right of an Application to call an API in an Environment",
    verbs: &[
        listing(
            "List Subscriptions",
            "/v1/subscriptions",
            &[
                column("id", "/id"),
                column("status", "/status"),
                column("application", "/application/name"),
                column("api", "/api/name"),
                column("environment", "/environment/slug"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[
            SEARCH,
            &[
                filter("status", "pending, active, rejected or ended"),
                filter("application-id", "Only of this Application"),
                filter("api-id", "Only to this API"),
                filter("environment-id", "Only in this Environment"),
                filter("key-set-id", "Only those that use this Key Set"),
                filter("organization-id", "Only of this Organization"),
                filter("group-id", "Only of this Group"),
            ],
        ]),
        post("create", "Subscribe an Application to an API", "/v1/subscriptions").flags(&[&[
            text("application-id", "The Application").required(),
            text("api-id", "The API, by id or slug").required(),
            text("environment-id", "The Environment, by id or slug").required(),
            list("permissions", "What it may do there; otherwise all of the API's"),
            text("note", "A word to the API's owner"),
        ]]),
        reading("show", "Show one Subscription", "/v1/subscriptions/{id}"),
        patch("update", "Change what it may do there", "/v1/subscriptions/{id}")
            .flags(&[&[list("permissions", "Of the API's own")]]),
        post("accept", "Accept a Pending Subscription", "/v1/subscriptions/{id}/accept").flags(&[ACT]),
        post("reject", "Reject a Pending Subscription, for good", "/v1/subscriptions/{id}/reject")
            .flags(&[ACT]),
        post("end", "End a Subscription, for good", "/v1/subscriptions/{id}/end").flags(&[ACT]),
        post("renew", "Give it living Key Sets again", "/v1/subscriptions/{id}/renew").flags(&[ACT]),
    ],
};

/// Every filter of product.md D5.
const KEY_SET_FILTERS: &[Flag] = &[
    parameter("q", "Part of the name, the Application, the id or the masked ends"),
    filter("status", "pending, active, suspended, revoked or expired"),
    filter("auth-type", "api_key, api_key_and_secret or basic"),
    filter("api-id", "Only for this API"),
    filter("application-id", "Only of this Application"),
    filter("environment-id", "Only in this Environment"),
    filter("policy-template-id", "Only under this policy template"),
    filter("organization-id", "Only of this Organization"),
    filter("group-id", "Only of this Group"),
    parameter("created-after", "At or after"),
    parameter("created-before", "Before"),
    parameter("provisioned-after", "At or after"),
    parameter("provisioned-before", "Before"),
    parameter("rotation-due-after", "At or after"),
    parameter("rotation-due-before", "Before"),
    parameter("expires-after", "At or after"),
    parameter("expires-before", "Before"),
    parameter("revoked-after", "At or after"),
    parameter("revoked-before", "Before"),
    parameter("last-used-after", "At or after"),
    parameter("last-used-before", "Before"),
];

pub(super) const KEY_SETS: Noun = Noun {
    name: "key-sets",
    about: "The credentials of an Application in an Environment, and their life",
    verbs: &[
        listing(
            "List Key Sets",
            "/v1/key-sets",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("status", "/status"),
                column("auth type", "/auth_type"),
                column("application", "/application/name"),
                column("environment", "/environment/slug"),
                column("key", "/keys/-/masked"),
                column("expires", "/keys/-/expires_at"),
            ],
        )
        .flags(&[KEY_SET_FILTERS]),
        reading("show", "Show one Key Set with its chain of Keys", "/v1/key-sets/{id}"),
        patch("rename", "Rename a Key Set", "/v1/key-sets/{id}").flags(&[NAME]),
        post("suspend", "Refuse all its Keys until it is activated", "/v1/key-sets/{id}/suspend")
            .flags(&[ACT]),
        post("activate", "Activate a Suspended Key Set", "/v1/key-sets/{id}/activate").flags(&[ACT]),
        post("regenerate", "Replace the LATEST Key", "/v1/key-sets/{id}/regenerate").flags(&[ACT]),
        post("revoke", "Revoke it, for good", "/v1/key-sets/{id}/revoke").flags(&[ACT]),
        post("issue", "Issue a new Key on a dead Key Set", "/v1/key-sets/{id}/issue").flags(&[ACT]),
        post("retrieve", "Retrieve the credentials", "/v1/key-sets/{id}/retrieve")
            .flags(&[ACT, &[parameter("key-id", "This Key; otherwise LATEST")]]),
        put("set-policy", "Put another policy on it", "/v1/key-sets/{id}/policy").flags(&[&[
            text("policy-template-id", "The template").required(),
            switch("enforce-schedule", "Also reschedule the living Key"),
        ]]),
        rows(
            "timeline",
            "Show planned and actual dates",
            "/v1/key-sets/{id}/timeline",
            &[
                column("key", "/key_id"),
                column("milestone", "/milestone"),
                column("planned", "/planned_at"),
                column("actual", "/actual_at"),
                column("delay", "/delay_seconds"),
            ],
        ),
        rows(
            "authorized-apis",
            "List the APIs that it opens",
            "/v1/key-sets/{id}/authorized-apis",
            &[
                column("id", "/id"),
                column("slug", "/slug"),
                column("name", "/name"),
                column("subscription", "/subscription_id"),
            ],
        )
        .flags(&[
            SEARCH,
            &[
                filter("organization-id", "Only of this Organization"),
                filter("group-id", "Only of this Group"),
            ],
        ]),
        reading("impact", "Say what an act would break", "/v1/key-sets/{id}/impact").flags(&[IMPACT]),
        post("revoke-key", "End a living Key that is not LATEST", "/v1/key-sets/{id}/keys/{key_id}/revoke")
            .flags(&[ACT]),
        post("bulk", "One act on many Key Sets, one outcome each", "/v1/key-sets/bulk").flags(&[
            &[
                text("act", "suspend, activate, regenerate, revoke or issue").required(),
                list("ids", "The Key Sets").required(),
            ],
            ACT,
        ]),
    ],
};
