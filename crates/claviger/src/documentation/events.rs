//! For docs/events.md, from the domain's own shapes of events.

use claviger_domain::event::{EventBody, EventShape};

use super::{head, row};

/// The table.
pub(super) fn table() -> String {
    let mut text = head(&["kind", "happened", "data"]);
    for shape in EventBody::SHAPES {
        let members: Vec<String> = shape.fields.iter().map(|name| format!("`{name}`")).collect();
        text.push_str(&row([format!("`{}`", shape.kind), happened(shape).to_owned(), members.join(", ")]));
    }
    text
}

/// One sentence for each kind.
fn happened(shape: &EventShape) -> &'static str {
    SENTENCES.iter().find(|(kind, _)| *kind == shape.kind).map_or("", |(_, sentence)| sentence)
}

const SENTENCES: &[(&str, &str)] = &[
    ("organization.created", "An Organization was added."),
    ("organization.updated", "An Organization was renamed."),
    ("organization.deleted", "An Organization was deleted."),
    ("group.created", "A Group was added."),
    ("group.updated", "A Group was renamed."),
    ("group.deleted", "A Group was deleted."),
    ("member.created", "A member was added."),
    ("member.updated", "A member was renamed or changed Groups."),
    ("member.deleted", "A member was removed."),
    ("member.role_granted", "A member was given a role at a scope."),
    ("member.role_revoked", "A role was taken from a member."),
    ("environment.created", "An Environment was added."),
    ("environment.updated", "An Environment was renamed."),
    ("environment.deleted", "An Environment was deleted."),
    ("permission_group.created", "A permission group was added."),
    ("permission_group.updated", "A permission group was renamed or allows something else."),
    ("permission_group.deleted", "A permission group was deleted."),
    ("policy_template.created", "A policy template was added."),
    ("policy_template.updated", "A policy template has a new version."),
    ("policy_template.deleted", "A policy template was deleted."),
    ("api.created", "An API was added to the catalog."),
    ("api.updated", "An API's settings were changed."),
    ("api.exposed", "An API lets calls through."),
    ("api.unexposed", "An API refuses all calls."),
    ("api.document_updated", "An API got another OpenAPI document."),
    ("api.deleted", "An API was deleted."),
    ("application.created", "An Application was added."),
    ("application.updated", "An Application was renamed."),
    ("application.suspended", "An Application was suspended; what happened to its Key Sets follows."),
    ("application.activated", "An Application was activated; what happened to its Key Sets follows."),
    ("application.deleted", "An Application was deleted."),
    ("subscription.created", "An Application subscribed to an API."),
    ("subscription.accepted", "The provider accepted a Pending Subscription."),
    ("subscription.rejected", "The provider rejected a Pending Subscription."),
    ("subscription.lapsed", "A Pending Subscription waited too long."),
    ("subscription.ended", "A Subscription was ended."),
    ("subscription.updated", "A Subscription holds other permissions of the API."),
    ("subscription.renewed", "A Subscription uses living Key Sets again."),
    ("key_set.created", "A Key Set was made; its first Key follows."),
    ("key_set.updated", "A Key Set was renamed."),
    ("key_set.provisioned", "A Pending Key began to work."),
    ("key_set.suspended", "A Key Set was suspended."),
    ("key_set.activated", "A Key Set was activated."),
    ("key_set.revoked", "A Key Set was revoked; the end of each Key follows."),
    ("key_set.policy_changed", "A Key Set has another policy."),
    ("key_set.retrieved", "A Key's value was shown; written before it was."),
    ("key_set.removed", "A Pending Key Set that nobody uses was removed with its Key."),
    ("key.issued", "A Key was issued and is LATEST of its Key Set."),
    ("key.retirement_planned", "A Key will stop working at a time: its successor has been issued."),
    ("key.revoked", "A Key stopped working, for good."),
    ("key.expired", "A Key's time was up."),
    ("service_key.created", "A service key was added."),
    ("service_key.updated", "A service key was renamed."),
    ("service_key.activated", "A service key was activated."),
    ("service_key.deactivated", "A service key was deactivated."),
    ("service_key.permission_groups_changed", "A service key may do something else."),
    ("service_key.deleted", "A service key was deleted."),
    ("shared_key.created", "A shared key was added to an API."),
    ("shared_key.updated", "A shared key was renamed or holds something else."),
    ("shared_key.enabled", "A disabled shared key was enabled."),
    ("shared_key.disabled", "A shared key was disabled."),
    ("shared_key.secret_reset", "An inside key was given a new secret by its owner."),
    ("shared_key.secret_set", "The secret of an outside key was set or reset through its portal link."),
    ("shared_key.secret_cleared", "The secret of an outside key was cleared by its owner."),
    ("shared_key.portal_link_created", "A portal link was made; one that was there before is good no more."),
    ("shared_key.portal_link_deleted", "A portal link was withdrawn."),
    ("shared_key.retrieved", "The credentials of a shared key are about to be shown."),
    ("shared_key.deleted", "A shared key was deleted."),
    ("key_pair.created", "A key pair was made."),
    ("key_pair.updated", "A key pair was renamed, or its public half published or not any more."),
    ("key_pair.access_granted", "Somebody was given access to a key pair, or another level of it."),
    ("key_pair.access_revoked", "Access to a key pair was taken back."),
    ("key_pair.deleted", "A key pair was deleted, and its private half wiped."),
    ("git_integration.created", "An API's document can be pulled from Git and pushed to it."),
    ("git_integration.updated", "A Git integration leads elsewhere, or was turned on or off."),
    (
        "git_integration.host_key_pinned",
        "A Git host was met for the first time; its key is the one it is known by.",
    ),
    ("git_integration.host_key_removed", "The pinned key of a Git host was forgotten."),
    ("git_integration.pulled", "The file was pulled; it and the API's document are equal."),
    ("git_integration.pushed", "The API's document was pushed; it and the file are equal."),
    ("git_integration.deleted", "A Git integration was removed."),
    ("node.token_issued", "The token by which a data node enrols was made."),
    ("node.enrolled", "A data node used its token: it has the keys to decide with."),
    ("node.removed", "A node was removed from the list; the enrolment of a data node ended."),
    ("log.exported", "A part of the log was exported."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_sentence_and_no_other_does() {
        let kinds: Vec<&str> = EventBody::SHAPES.iter().map(|shape| shape.kind).collect();
        assert_eq!(kinds, EventBody::KINDS);
        for kind in &kinds {
            assert_eq!(SENTENCES.iter().filter(|(named, _)| named == kind).count(), 1, "{kind}");
        }
        assert_eq!(SENTENCES.len(), kinds.len());
    }
}
