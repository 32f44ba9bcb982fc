//! Shared keys: given directly to a named customer of one API.

use super::{ACT, SEARCH};
use crate::rest::verb::{
    Flag, Noun, column, delete, filter, list, listing, nullable_list, patch, post, rate, reading, text,
};

/// What a shared key is limited to.
const BOUNDS: &[Flag] = &[
    rate("rate-limit", "LIMIT/PER, PER second, minute or hour, such as 100/minute; none: no limit"),
    nullable_list("ip-allow-list", "The only networks it is good from; none (default): any"),
];

pub(super) const SHARED_KEYS: Noun = Noun {
    name: "shared-keys",
    about: "Keys given directly to a named customer of one API",
    verbs: &[
        listing(
            "List the shared keys of an API",
            "/v1/apis/{api}/shared-keys",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("audience", "/audience"),
                column("status", "/status"),
                column("key", "/masked"),
                column("secret", "/secret_set"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[SEARCH, &[filter("audience", "inside or outside"), filter("status", "active or disabled")]]),
        post("create", "Add a shared key to an API", "/v1/apis/{api}/shared-keys").flags(&[
            &[
                text("name", "1 to 100 characters").required(),
                text("audience", "inside (key and secret) or outside (its secret is set in the portal)")
                    .required(),
                text("environment-id", "The one Environment it is good in; otherwise all of the API's"),
                list("permissions", "A part of the API's own permissions; otherwise all"),
            ],
            BOUNDS,
        ]),
        reading("show", "Show a shared key", "/v1/shared-keys/{id}"),
        patch("update", "Rename a shared key, or change what it holds", "/v1/shared-keys/{id}").flags(&[
            &[
                text("name", "1 to 100 characters"),
                nullable_list("permissions", "A part of the API's own permissions; none: all"),
            ],
            BOUNDS,
        ]),
        post("enable", "Enable a disabled shared key", "/v1/shared-keys/{id}/enable").flags(&[ACT]),
        post("disable", "Disable a shared key; it is refused at once", "/v1/shared-keys/{id}/disable")
            .flags(&[ACT]),
        post("reset-secret", "Give an inside key a new secret", "/v1/shared-keys/{id}/reset-secret")
            .flags(&[ACT]),
        post("clear-secret", "Clear an outside key's secret", "/v1/shared-keys/{id}/clear-secret")
            .flags(&[ACT]),
        post("retrieve", "Show again what the key was issued with", "/v1/shared-keys/{id}/retrieve")
            .flags(&[ACT]),
        post("portal-link", "Make an outside key's portal link", "/v1/shared-keys/{id}/portal-link").flags(
            &[&[text("expires-at", "When it ends, such as 2027-01-31; otherwise when withdrawn")], ACT],
        ),
        delete("withdraw-portal-link", "Withdraw the portal link", "/v1/shared-keys/{id}/portal-link"),
        delete("delete", "Delete a shared key; it is refused at once", "/v1/shared-keys/{id}"),
    ],
};
