//! Organizations, Groups, members, Environments; permissions and who has them; the log and the nodes.

use super::{NAME, SEARCH};
use crate::rest::verb::{
    Column, Flag, Noun, column, delete, filter, list, listing, nullable, nullable_list, parameter, patch,
    post, put, reading, text,
};

const NAMED: &[Column] = &[column("id", "/id"), column("name", "/name"), column("created", "/created_at")];

pub(super) const ORGANIZATIONS: Noun = Noun {
    name: "organizations",
    about: "Companies and departments, internal and external",
    verbs: &[
        listing(
            "List Organizations",
            "/v1/organizations",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("kind", "/kind"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[SEARCH]),
        post("create", "Add an Organization", "/v1/organizations")
            .flags(&[NAME, &[text("kind", "internal (default) or external")]]),
        reading("show", "Show one Organization", "/v1/organizations/{id}"),
        patch("rename", "Rename an Organization", "/v1/organizations/{id}").flags(&[NAME]),
        delete("delete", "Delete an Organization that nothing uses", "/v1/organizations/{id}"),
    ],
};

const ORGANIZATION: &[Flag] = &[text("organization-id", "The Organization; otherwise one's own")];
const BY_ORGANIZATION: &[Flag] = &[filter("organization-id", "Only of this Organization")];

pub(super) const GROUPS: Noun = Noun {
    name: "groups",
    about: "Teams in an Organization, which own Applications and APIs",
    verbs: &[
        listing("List Groups", "/v1/groups", NAMED).flags(&[SEARCH, BY_ORGANIZATION]),
        post("create", "Add a Group", "/v1/groups").flags(&[NAME, ORGANIZATION]),
        reading("show", "Show one Group", "/v1/groups/{id}"),
        patch("rename", "Rename a Group", "/v1/groups/{id}").flags(&[NAME]),
        delete("delete", "Delete a Group that nothing uses", "/v1/groups/{id}"),
    ],
};

const MEMBER_GROUPS: &[Flag] = &[list("group-ids", "The Groups that the member belongs to")];

pub(super) const MEMBERS: Noun = Noun {
    name: "members",
    about: "People of an Organization, and the roles granted to them",
    verbs: &[
        listing(
            "List members",
            "/v1/members",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("email", "/email"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[SEARCH, BY_ORGANIZATION, &[filter("group-id", "Only of this Group")]]),
        post("create", "Add a member", "/v1/members").flags(&[
            NAME,
            &[text("email", "The mail address").required()],
            MEMBER_GROUPS,
            ORGANIZATION,
        ]),
        reading("show", "Show one member with the roles held", "/v1/members/{id}"),
        patch("update", "Rename a member or change the Groups", "/v1/members/{id}")
            .flags(&[&[text("name", "1 to 100 characters")], MEMBER_GROUPS]),
        delete("delete", "Remove a member", "/v1/members/{id}"),
        post("grant-role", "Give a member a role at a scope", "/v1/members/{id}/role-grants").flags(&[
            &[text("permission-group-id", "The permission group that is the role").required()],
            SCOPE,
        ]),
        delete("revoke-role", "Take a role from a member", "/v1/members/{id}/role-grants/{role_grant_id}"),
    ],
};

/// Where a right holds.
const SCOPE: &[Flag] = &[
    text("scope-organization-id", "Only in this Organization").at("scope/organization_id"),
    text("scope-group-id", "Only in this Group").at("scope/group_id"),
    text("scope-environment-id", "Only in this Environment").at("scope/environment_id"),
];

pub(super) const ENVIRONMENTS: Noun = Noun {
    name: "environments",
    about: "Where an API is offered and a key is valid",
    verbs: &[
        listing(
            "List Environments",
            "/v1/environments",
            &[
                column("id", "/id"),
                column("slug", "/slug"),
                column("name", "/name"),
                column("created", "/created_at"),
            ],
        )
        .flags(&[SEARCH]),
        post("create", "Add an Environment", "/v1/environments")
            .flags(&[&[text("slug", "Its immutable short name, such as staging").required()], NAME]),
        reading("show", "Show one Environment", "/v1/environments/{id}"),
        patch("rename", "Rename an Environment", "/v1/environments/{id}").flags(&[NAME]),
        delete("delete", "Delete an Environment that nothing uses", "/v1/environments/{id}"),
    ],
};

pub(super) const PERMISSIONS: Noun = Noun {
    name: "permissions",
    about: "The atoms that permission groups are made of",
    verbs: &[listing(
        "List permissions",
        "/v1/permissions",
        &[column("permission", "/name"), column("allows", "/description")],
    )],
};

const PERMISSION_LIST: Flag = list("permissions", "What it allows, such as key_sets:read,apis:read");

pub(super) const PERMISSION_GROUPS: Noun = Noun {
    name: "permission-groups",
    about: "Named sets of permissions, for service keys and roles",
    verbs: &[
        listing("List permission groups", "/v1/permission-groups", NAMED).flags(&[SEARCH, BY_ORGANIZATION]),
        post("create", "Add a permission group", "/v1/permission-groups").flags(&[
            NAME,
            &[PERMISSION_LIST.required()],
            ORGANIZATION,
        ]),
        reading("show", "Show one permission group", "/v1/permission-groups/{id}"),
        patch("update", "Rename it or change its permissions", "/v1/permission-groups/{id}")
            .flags(&[&[text("name", "1 to 100 characters"), PERMISSION_LIST]]),
        delete("delete", "Delete a permission group that nothing uses", "/v1/permission-groups/{id}"),
    ],
};

const GROUP_IDS: &[Flag] = &[list("permission-group-ids", "The permission groups, at least one").required()];

pub(super) const SERVICE_KEYS: Noun = Noun {
    name: "service-keys",
    about: "Keys to Claviger's own API",
    verbs: &[
        listing(
            "List service keys",
            "/v1/service-keys",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("status", "/status"),
                column("key", "/masked"),
                column("last used", "/last_used_at"),
                column("created by", "/created_by/name"),
                column("groups", "/permission_groups"),
            ],
        )
        .flags(&[
            SEARCH,
            BY_ORGANIZATION,
            &[
                filter("status", "active or inactive"),
                filter("permission-group-id", "Only with this permission group"),
                filter("member-id", "Only those that count as this member"),
            ],
        ]),
        post("create", "Add a service key; its value is shown this once", "/v1/service-keys").flags(&[
            NAME,
            GROUP_IDS,
            SCOPE,
            &[
                text("member-id", "The member it counts as; otherwise one's own"),
                nullable("expires-at", "When it ends; none (default): never"),
                nullable_list("ip-allow-list", "The only networks it is good from"),
            ],
        ]),
        reading("show", "Show one service key, masked", "/v1/service-keys/{id}"),
        reading("current", "Show the service key that is in use here", "/v1/service-keys/current"),
        patch("rename", "Rename a service key", "/v1/service-keys/{id}").flags(&[NAME]),
        post("activate", "Activate a service key", "/v1/service-keys/{id}/activate").flags(&[super::ACT]),
        post("deactivate", "Deactivate a service key", "/v1/service-keys/{id}/deactivate")
            .flags(&[super::ACT]),
        post(
            "replace",
            "Replace a lost service key; the new value is shown this once",
            "/v1/service-keys/{id}/replace",
        )
        .flags(&[super::ACT]),
        put("set-permission-groups", "Change what it may do", "/v1/service-keys/{id}/permission-groups")
            .flags(&[GROUP_IDS]),
        delete("delete", "Delete a service key", "/v1/service-keys/{id}"),
    ],
};

/// The filters of the log, for `list` and `tail`.
pub(crate) const EVENT_FILTERS: &[Flag] = &[
    filter("kind", "Such as key_set.revoked"),
    filter("subject-id", "What it happened to"),
    filter("subject-kind", "What kind of thing it happened to, such as key_set"),
    filter("actor-id", "Who did it"),
    parameter("at-after", "At or after this time"),
    parameter("at-before", "Before this time"),
];

pub(crate) const EVENT_COLUMNS: &[Column] = &[
    column("position", "/position"),
    column("at", "/at"),
    column("kind", "/kind"),
    column("subject", "/subject/id"),
    column("actor", "/actor/name"),
    column("from", "/from"),
    column("reason", "/reason"),
];

pub(super) const EVENTS: Noun = Noun {
    name: "events",
    about: "The log: every change, and every reveal",
    verbs: &[
        listing("List events, newest first", "/v1/events", EVENT_COLUMNS)
            .flags(&[EVENT_FILTERS, &[parameter("position-after", "Only later than this position")]]),
        reading("show", "Show one event", "/v1/events/{id}"),
        reading("proof", "Show the head of the hash chain", "/v1/events/proof"),
    ],
};

pub(super) const NODES: Noun = Noun {
    name: "nodes",
    about: "The servers, and how far behind each is",
    verbs: &[
        listing(
            "List nodes",
            "/v1/nodes",
            &[
                column("id", "/id"),
                column("name", "/name"),
                column("kind", "/kind"),
                column("status", "/status"),
                column("position", "/position"),
                column("behind (s)", "/behind_seconds"),
                column("last seen", "/last_seen_at"),
            ],
        )
        .flags(&[SEARCH]),
        reading("show", "Show one node", "/v1/nodes/{id}"),
        post("enroll", "Make the one-time token by which a data node enrols", "/v1/nodes/enroll")
            .flags(&[&[text("name", "What the node is to be called").required()]]),
        delete(
            "delete",
            "Remove a control node that is gone, or end the enrolment of a data node",
            "/v1/nodes/{id}",
        ),
    ],
};
