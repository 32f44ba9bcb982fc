//! Service keys in memory: who is accepted, and with what.

use claviger_domain::credential::{self, CredentialKind};
use claviger_domain::event::{ActorRef, Event, EventBody, NewEvent, Position, Private, ServiceKeyTerms};
use claviger_domain::id::{EventId, OrganizationId, PermissionGroupId, ServiceKeyId};
use claviger_domain::permission::{Permission, Permissions};
use claviger_domain::scope::{Place, Scope};
use claviger_domain::secret::{DigestKey, DigestKeyId};
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use claviger_verify::{
    ApplyError, Contradiction, Control, NotAccepted, PermissionGroupFacts, ServiceKeyFacts,
};

const NOW: Timestamp = Timestamp::from_micros(1_782_864_000_000_000);
const ACME: OrganizationId = OrganizationId::from_bytes([10; 16]);
const GROUP: PermissionGroupId = PermissionGroupId::from_bytes([1; 16]);
const KEY: ServiceKeyId = ServiceKeyId::from_bytes([2; 16]);
const DAY: i64 = 86_400;

fn digest_key() -> DigestKey {
    DigestKey::new(DigestKeyId(1), &[7; 32])
}

fn value(seed: u8) -> String {
    credential::generate(CredentialKind::Service, |buffer| buffer.fill(seed)).value.expose().to_owned()
}

fn private(value: &str) -> Private {
    Private { digest_key: DigestKeyId(1), key: digest_key().digest(value.as_bytes()), secret: None }
}

fn created(id: ServiceKeyId, replaces: Option<ServiceKeyId>) -> EventBody {
    EventBody::ServiceKeyCreated {
        service_key_id: id,
        terms: Box::new(ServiceKeyTerms {
            organization_id: ACME,
            member_id: None,
            created_by: ActorRef::system("test"),
            name: Name::new("gateway").expect("a name"),
            masked: credential::generate(CredentialKind::Service, |buffer| buffer.fill(1)).masked,
            permission_group_ids: vec![GROUP],
            scope: Scope { organization_id: Some(ACME), ..Scope::EVERYTHING },
            expires_at: Some(NOW.plus_seconds(DAY / 2)),
            ip_allow_list: Some(vec!["192.0.2.0/24".parse().expect("a network")]),
            replaces,
        }),
    }
}

fn group(permissions: &[Permission]) -> EventBody {
    EventBody::PermissionGroupUpdated {
        permission_group_id: GROUP,
        name: Name::new("callers").expect("a name"),
        permissions: permissions.iter().copied().collect(),
    }
}

struct Scene {
    control: Control,
    position: i64,
}

impl Scene {
    fn new() -> Self {
        let control = Control::new(DAY);
        control.use_digest_keys(DigestKey::new(DigestKeyId(2), &[8; 32]), Some(digest_key()));
        let none = PermissionGroupFacts { id: GROUP, permissions: Permissions::new() };
        control.load([none], [], Position(0), NOW).expect("a first snapshot");
        Self { control, position: 0 }
    }

    fn tell(&mut self, body: EventBody, private: Option<Private>) -> Result<(), ApplyError> {
        let event = self.next(body, private);
        self.control.apply_all(&[event])
    }

    /// The next event of the log.
    fn next(&mut self, body: EventBody, private: Option<Private>) -> Event {
        self.position += 1;
        Event {
            position: Position(self.position),
            event: NewEvent {
                id: EventId::from_bytes([0; 16]),
                at: NOW,
                actor: ActorRef::system("test"),
                source: None,
                reason: None,
                place: Place::INSTANCE,
                counterpart: None,
                body,
                private,
            },
            hash: [0; 32],
            previous_hash: [0; 32],
        }
    }

    fn ask(&self, value: &str) -> Result<bool, NotAccepted> {
        self.ask_at(value, Some("192.0.2.1"), NOW)
    }

    fn ask_at(&self, value: &str, ip: Option<&str>, now: Timestamp) -> Result<bool, NotAccepted> {
        let ip = ip.map(|ip| ip.parse().expect("an address"));
        let caller = self.control.authenticate(value, ip, now)?;
        assert!(caller.fresh);
        assert_eq!((caller.organization_id, caller.scope.organization_id), (ACME, Some(ACME)));
        Ok(caller.allows(Permission::VerifyCall, &Place::organization(ACME)))
    }
}

#[test]
fn a_service_key_is_accepted_as_long_as_it_is_good() {
    let mut scene = Scene::new();
    let key = value(3);
    assert_eq!(scene.ask(&key), Err(NotAccepted::Unauthenticated));
    scene.tell(created(KEY, None), Some(private(&key))).expect("applied");
    assert_eq!(scene.ask(&key), Ok(false), "the group holds nothing yet");
    scene.tell(group(&[Permission::VerifyCall]), None).expect("applied");
    assert_eq!(scene.ask(&key), Ok(true));
    assert_eq!(scene.ask_at(&key, None, NOW), Err(NotAccepted::IpDenied));
    assert_eq!(scene.ask_at(&key, Some("198.51.100.1"), NOW), Err(NotAccepted::IpDenied));
    let later = NOW.plus_seconds(DAY / 2);
    assert_eq!(scene.ask_at(&key, Some("192.0.2.1"), later), Err(NotAccepted::Expired));
    scene.tell(EventBody::ServiceKeyDeactivated { service_key_id: KEY }, None).expect("applied");
    assert_eq!(scene.ask(&key), Err(NotAccepted::Inactive));
    scene.tell(EventBody::ServiceKeyActivated { service_key_id: KEY }, None).expect("applied");
    scene
        .tell(
            EventBody::ServiceKeyPermissionGroupsChanged {
                service_key_id: KEY,
                permission_group_ids: Vec::new(),
            },
            None,
        )
        .expect("applied");
    assert_eq!(scene.ask(&key), Ok(false));
    scene.tell(EventBody::ServiceKeyDeleted { service_key_id: KEY }, None).expect("applied");
    assert_eq!(scene.ask(&key), Err(NotAccepted::Unauthenticated));
}

#[test]
fn a_replaced_key_is_accepted_no_longer() {
    let mut scene = Scene::new();
    let (old, new) = (value(3), value(4));
    scene.tell(created(KEY, None), Some(private(&old))).expect("applied");
    let successor = ServiceKeyId::from_bytes([3; 16]);
    scene.tell(created(successor, Some(KEY)), Some(private(&new))).expect("applied");
    assert_eq!((scene.ask(&old), scene.ask(&new)), (Err(NotAccepted::Unauthenticated), Ok(false)));
    scene.tell(EventBody::ServiceKeyDeleted { service_key_id: KEY }, None).expect("it may be told as well");
}

#[test]
fn what_is_no_service_key_is_refused_before_anything() {
    let scene = Scene::new();
    let api_key =
        credential::generate(CredentialKind::Key, |buffer| buffer.fill(3)).value.expose().to_owned();
    for wrong in ["", "x", &value(3)[1..], &api_key] {
        assert_eq!(scene.ask_at(wrong, None, NOW.plus_seconds(9 * DAY)), Err(NotAccepted::Unauthenticated));
    }
}

#[test]
fn it_fails_closed_when_the_log_is_silent_broken_or_beyond_it() {
    let mut scene = Scene::new();
    let key = value(3);
    scene.tell(created(KEY, None), Some(private(&key))).expect("applied");
    let silent = NOW.plus_seconds(2 * DAY);
    assert_eq!(scene.ask_at(&key, Some("192.0.2.1"), silent), Err(NotAccepted::Stale), "expired since");
    assert_eq!(scene.ask_at(&value(4), Some("192.0.2.1"), silent), Err(NotAccepted::Stale), "or made since");
    scene.control.contact(silent);
    assert_eq!(scene.ask_at(&key, Some("192.0.2.1"), silent), Err(NotAccepted::Expired));
    scene.position += 1;
    let gap = scene.tell(group(&[]), None);
    assert_eq!(gap, Err(ApplyError::Gap { expected: Position(2) }));
    scene.position = 1;
    let contradiction = scene.tell(created(ServiceKeyId::from_bytes([9; 16]), None), None);
    assert_eq!(contradiction, Err(ApplyError::Stopped(Contradiction::NoDigest)));
    let caller = scene.control.authenticate(&key, Some("192.0.2.1".parse().expect("an address")), NOW);
    assert_eq!(caller.map(|caller| caller.fresh), Ok(false), "it was good, and is told that this is old");
    scene.control.load([], [], Position(2), NOW).expect("a newer snapshot");
    assert_eq!(scene.ask(&key), Err(NotAccepted::Unauthenticated));
}

#[test]
fn nobody_is_known_before_a_snapshot_is_loaded() {
    let control = Control::new(DAY);
    control.use_digest_keys(digest_key(), None);
    assert_eq!(control.authenticate(&value(3), None, NOW), Err(NotAccepted::Stale));
}

#[test]
fn a_snapshot_says_the_same_as_the_log() {
    let mut scene = Scene::new();
    let key = value(3);
    scene.tell(created(KEY, None), Some(private(&key))).expect("applied");
    scene.tell(group(&[Permission::VerifyCall]), None).expect("applied");
    let loaded = Scene::new();
    let facts = ServiceKeyFacts {
        id: KEY,
        organization_id: ACME,
        digest: private(&key).key,
        active: true,
        permission_group_ids: vec![GROUP],
        scope: Scope { organization_id: Some(ACME), ..Scope::EVERYTHING },
        expires_at: Some(NOW.plus_seconds(DAY / 2)),
        ip_allow_list: Some(vec!["192.0.2.0/24".parse().expect("a network")]),
    };
    let groups =
        [PermissionGroupFacts { id: GROUP, permissions: Permissions::from([Permission::VerifyCall]) }];
    loaded.control.load(groups, [facts], Position(2), NOW).expect("a newer snapshot");
    let ip = Some("192.0.2.1".parse().expect("an address"));
    assert_eq!(loaded.control.authenticate(&key, ip, NOW), scene.control.authenticate(&key, ip, NOW));
    assert_eq!(loaded.ask(&key), Ok(true));
    assert!(loaded.control.load([], [], Position(1), NOW).is_err(), "never back");
}

#[test]
fn a_position_is_told_only_once_callers_are_accepted_by_it() {
    let key = value(3);
    for _ in 0..10 {
        let mut scene = Scene::new();
        let mut events = vec![scene.next(created(KEY, None), Some(private(&key)))];
        let others = (0..2_000_u16).map(|number| {
            let mut id = [3; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            scene.next(created(ServiceKeyId::from_bytes(id), None), Some(private(&format!("other {number}"))))
        });
        events.extend(others.collect::<Vec<_>>());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while scene.control.as_of() < Position(1) {
                    std::hint::spin_loop();
                }
                assert_eq!(scene.ask(&key), Ok(false), "known, and its group holds nothing");
            });
            scene.control.apply_all(&events).expect("applied");
        });
    }
}
