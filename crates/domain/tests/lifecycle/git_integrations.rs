//! Git integrations: what is a conflict (product.md B4), what a change of the settings forgets (B5), what is an
//! attaching (A7).

use claviger_domain::aggregate::Aggregate as _;
use claviger_domain::apis::DocumentDigest;
use claviger_domain::event::EventBody;
use claviger_domain::git::{GitFailure, HostKey, ObjectId};
use claviger_domain::git_integrations::{GitIntegration, GitSettings, IntegrationOf, OutOfSync, SyncPoint};
use claviger_domain::id::{ApiId, GroupId, KeyPairId, OrganizationId};
use claviger_domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const OF: IntegrationOf = IntegrationOf(ApiId::from_bytes([1; 16]));
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

fn settings() -> GitSettings {
    GitSettings {
        enabled: true,
        address: "git@git.example:acme/orders.git".parse().expect("an address"),
        branch: "main".parse().expect("a branch"),
        path: "openapi.yaml".parse().expect("a path"),
        key_pair_id: KeyPairId::from_bytes([2; 16]),
    }
}

fn digest(n: u8) -> DocumentDigest {
    DocumentDigest::from_bytes([n; 32])
}

fn object(n: char) -> ObjectId {
    n.to_string().repeat(40).parse().expect("an id")
}

fn after(integration: GitIntegration, body: &EventBody) -> Option<GitIntegration> {
    GitIntegration::apply(Some(integration), NOW, body).expect("an event that fits")
}

fn made() -> GitIntegration {
    let body = EventBody::GitIntegrationCreated {
        api_id: OF,
        organization_id: OrganizationId::from_bytes([3; 16]),
        group_id: GroupId::from_bytes([4; 16]),
        settings: Box::new(settings()),
    };
    GitIntegration::apply(None, NOW, &body).expect("the first event").expect("an integration")
}

/// Its host met, and the document 1 pulled as the file `a`.
fn synced() -> GitIntegration {
    let host_key: HostKey = HOST_KEY.parse().expect("a key");
    let fingerprint = host_key.fingerprint();
    let pinned = after(made(), &EventBody::GitIntegrationHostKeyPinned { api_id: OF, host_key, fingerprint });
    let sync = SyncPoint { commit: object('c'), blob: object('a'), document: digest(1) };
    let pulled = EventBody::GitIntegrationPulled { api_id: OF, sync: Box::new(sync) };
    after(pinned.expect("an integration"), &pulled).expect("an integration")
}

#[test]
fn b4_a_pull_loses_no_edit_unless_it_is_told_to() {
    let (never, synced) = (made(), synced());
    for (integration, document, fetched, refused) in [
        // Nothing is there to be lost.
        (&never, None, 1, false),
        (&synced, None, 2, false),
        // What was pulled or pushed last is at the host, or was.
        (&synced, Some(1), 1, false),
        (&synced, Some(1), 2, false),
        // Edits that the host has not seen.
        (&never, Some(1), 2, true),
        (&synced, Some(2), 1, true),
        (&synced, Some(2), 3, true),
        // Both have come to the same.
        (&never, Some(1), 1, false),
        (&synced, Some(2), 2, false),
    ] {
        let document = document.map(digest);
        let pull = |how| integration.allow_pull(document.as_ref(), &digest(fetched), how);
        let answer = pull(OutOfSync::Abort);
        assert_eq!(
            answer.as_ref().err().map(|failure| failure.code),
            refused.then_some(GitFailure::OutOfSync)
        );
        assert!(pull(OutOfSync::Overwrite).is_ok());
        let edited = document != integration.synced.as_ref().map(|synced| synced.document);
        assert_eq!(integration.has_local_edits(document.as_ref()), edited && document.is_some());
    }
}

#[test]
fn b4_a_push_expects_what_was_there_last() {
    let (never, synced) = (made(), synced());
    assert_eq!(never.expected_at_host(OutOfSync::Abort), Some(None), "no file");
    assert_eq!(synced.expected_at_host(OutOfSync::Abort), Some(Some(&object('a'))));
    assert_eq!(synced.expected_at_host(OutOfSync::Overwrite), None);
}

#[test]
fn b5_what_is_known_of_one_place_says_nothing_of_another() {
    type Change = fn(&mut GitSettings);
    let changes: [(&str, Change, bool, bool, bool); 7] = [
        (
            "host",
            |it| it.address = "git@other.example:acme/orders.git".parse().expect("an address"),
            false,
            false,
            false,
        ),
        (
            "port",
            |it| it.address = "ssh://git@git.example:2222/acme/orders.git".parse().expect("an address"),
            false,
            false,
            false,
        ),
        (
            "repository",
            |it| it.address = "git@git.example:acme/stock.git".parse().expect("an address"),
            true,
            false,
            false,
        ),
        ("branch", |it| it.branch = "next".parse().expect("a branch"), true, false, false),
        ("path", |it| it.path = "next.yaml".parse().expect("a path"), true, false, false),
        ("pair", |it| it.key_pair_id = KeyPairId::from_bytes([9; 16]), true, true, false),
        ("enabled", |it| it.enabled = false, true, true, true),
    ];
    for (what, change, same_host, same_file, same_attachment) in changes {
        let mut changed = settings();
        change(&mut changed);
        assert_eq!(settings().same_attachment(&changed), same_attachment, "{what}");
        let body = EventBody::GitIntegrationUpdated { api_id: OF, settings: Box::new(changed.clone()) };
        let integration = after(synced(), &body).expect("an integration");
        assert_eq!(integration.host_key.is_some(), same_host, "{what}");
        assert_eq!(integration.synced.is_some(), same_file, "{what}");
        assert_eq!(integration.synced_at.is_some(), same_file, "{what}");
        assert_eq!(integration.settings, changed);
    }
}

#[test]
fn an_integration_is_made_once_forgets_its_hosts_key_and_ends() {
    let removed = EventBody::GitIntegrationHostKeyRemoved { api_id: OF };
    assert_eq!(after(synced(), &removed).expect("an integration").host_key, None);
    assert_eq!(after(synced(), &EventBody::GitIntegrationDeleted { api_id: OF }), None);
    let again = EventBody::GitIntegrationCreated {
        api_id: OF,
        organization_id: OrganizationId::from_bytes([3; 16]),
        group_id: GroupId::from_bytes([4; 16]),
        settings: Box::new(settings()),
    };
    assert!(GitIntegration::apply(Some(made()), NOW, &again).is_err());
    let of_another = EventBody::GitIntegrationDeleted { api_id: IntegrationOf(ApiId::from_bytes([8; 16])) };
    assert!(GitIntegration::apply(Some(made()), NOW, &of_another).is_err());
    assert!(GitIntegration::apply(None, NOW, &removed).is_err());
    assert!(made().require_enabled("pull").is_ok());
    let off = GitIntegration { settings: GitSettings { enabled: false, ..settings() }, ..made() };
    assert_eq!(off.require_enabled("pull").expect_err("it is off").code(), "invalid_transition");
}

#[test]
fn b5_of_jobs_that_meet_a_host_at_once_those_that_met_another_key_go_no_further() {
    let shown: HostKey = HOST_KEY.parse().expect("a key");
    // The last byte of the key is another one.
    let other: HostKey = format!("{}m", &HOST_KEY[..HOST_KEY.len() - 1]).parse().expect("a key");
    assert_eq!(made().pins_at_first_sight(&settings(), &shown), Ok(true));
    assert_eq!(synced().pins_at_first_sight(&settings(), &shown), Ok(false), "another job has met the same");
    let changed = synced().pins_at_first_sight(&settings(), &other).expect_err("another key");
    assert_eq!(changed.code, GitFailure::HostKeyChanged);
    assert!(changed.detail.contains(&other.fingerprint()), "{changed}");
    assert!(changed.detail.contains(&shown.fingerprint()), "{changed}");
    let address = "git@other.example:acme/orders.git".parse().expect("an address");
    let moved = GitIntegration { settings: GitSettings { address, ..settings() }, ..made() };
    let refused = moved.pins_at_first_sight(&settings(), &shown).expect_err("another host");
    assert_eq!(refused.code, GitFailure::OutOfSync);
}
