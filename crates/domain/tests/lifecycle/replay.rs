//! Replaying a log gives the state, also through JSON; a line that does not fit is refused.

use claviger_domain::aggregate::{Aggregate, Misapplied};
use claviger_domain::applications::{Application, ApplicationStatus};
use claviger_domain::environments::Environment;
use claviger_domain::event::EventBody;
use claviger_domain::groups::Group;
use claviger_domain::id::{
    ApplicationId, EnvironmentId, GroupId, MemberId, OrganizationId, PermissionGroupId, PolicyTemplateId,
    RoleGrantId,
};
use claviger_domain::key_sets::{Facts, KeySet};
use claviger_domain::members::{Email, Member, RoleGrant};
use claviger_domain::organizations::{Organization, OrganizationKind};
use claviger_domain::policy_templates::{Policy, PolicyTemplate};
use claviger_domain::scope::Scope;
use claviger_domain::text::Slug;
use claviger_domain::time::{Period, Timestamp};

use crate::support::{DIRECT, Story, at, name, rotating};

/// The state that the log makes of nothing, each line read back from its JSON.
pub(crate) fn replay<A: Aggregate>(log: &[(Timestamp, EventBody)]) -> Result<Option<A>, Misapplied> {
    log.iter().try_fold(None, |state, (at, body)| {
        let json = serde_json::to_string(body).expect("serialises");
        A::apply(state, *at, &serde_json::from_str(&json).expect("reads back"))
    })
}

fn now() -> Timestamp {
    at("2026-05-01T08:00:00.000001Z")
}

fn organization() -> OrganizationId {
    OrganizationId::from_bytes([1; 16])
}

#[test]
fn a_key_sets_log_makes_the_key_set() {
    let mut story = Story::begin(rotating(), DIRECT, now());
    story.settle_at(now().plus(&Period::days(75)));
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &Facts::default(), fresh).expect("active"));
    story.record(story.set().suspend(story.now, &Facts::default()).expect("active"));
    story.record(story.set().rename(name("Renamed")));
    story.record(story.set().revoke(story.now, &Facts::default()).expect("suspended"));
    assert_eq!(replay::<KeySet>(&story.log), Ok(story.set.clone()));
    assert_eq!(story.set().rename(name("Renamed")), [], "the same name is no event");
}

#[test]
fn lines_that_do_not_fit_are_refused() {
    let story = Story::begin(rotating(), DIRECT, now());
    let (first, second) = (story.log[0].clone(), story.log[1].clone());
    let refused = |log: &[(Timestamp, EventBody)]| replay::<KeySet>(log).expect_err("refused").why;
    assert_eq!(refused(std::slice::from_ref(&second)), "it does not exist");
    assert_eq!(refused(&[first.clone(), first.clone()]), "it exists already");
    assert_eq!(
        refused(&[first.clone(), second.clone(), second.clone()]),
        "the generation does not follow the last one"
    );
    let other =
        Story::begin_as(claviger_domain::id::KeySetId::from_bytes([8; 16]), rotating(), DIRECT, now());
    assert_eq!(refused(&[first.clone(), other.log[1].clone()]), "the event is about another");
    let retrieved = EventBody::KeySetRetrieved {
        key_set_id: story.set().id,
        key_id: claviger_domain::id::KeyId::from_bytes([4; 16]),
    };
    assert_eq!(refused(&[first, second, (now(), retrieved)]), "the Key is not of this set or has ended");
}

#[test]
fn what_is_deleted_is_gone() {
    let (organization_id, group_id) = (organization(), GroupId::from_bytes([2; 16]));
    let (application_id, environment_id) =
        (ApplicationId::from_bytes([3; 16]), EnvironmentId::from_bytes([4; 16]));
    let created = [
        EventBody::OrganizationCreated {
            organization_id,
            name: name("Acme"),
            organization_kind: OrganizationKind::Internal,
        },
        EventBody::OrganizationUpdated { organization_id, name: name("Acme Ltd") },
    ];
    let log = |bodies: &[EventBody]| bodies.iter().map(|body| (now(), body.clone())).collect::<Vec<_>>();
    let acme = replay::<Organization>(&log(&created)).expect("applies").expect("stands");
    assert_eq!((acme.name.as_str(), acme.created_at), ("Acme Ltd", now()));
    let deleted = [created.as_slice(), &[EventBody::OrganizationDeleted { organization_id }]].concat();
    assert_eq!(replay::<Organization>(&log(&deleted)), Ok(None));

    let group = EventBody::GroupCreated { group_id, organization_id, name: name("Team") };
    assert_eq!(replay::<Group>(&log(&[group.clone(), EventBody::GroupDeleted { group_id }])), Ok(None));
    assert!(replay::<Organization>(&log(&[created[0].clone(), group])).is_err(), "another noun's event");

    let slug = Slug::new("sandbox").expect("a slug");
    let environment = EventBody::EnvironmentCreated { environment_id, slug, name: name("Sandbox") };
    let log_of_environment = log(&[environment, EventBody::EnvironmentDeleted { environment_id }]);
    assert_eq!(replay::<Environment>(&log_of_environment), Ok(None));

    let application =
        EventBody::ApplicationCreated { application_id, organization_id, group_id, name: name("Shop") };
    let suspended = EventBody::ApplicationSuspended { application_id };
    let shop =
        replay::<Application>(&log(&[application.clone(), suspended])).expect("applies").expect("stands");
    assert_eq!((shop.status, shop.suspended_at), (ApplicationStatus::Suspended, Some(now())));
    let gone = log(&[application, EventBody::ApplicationDeleted { application_id }]);
    assert_eq!(replay::<Application>(&gone), Ok(None));
}

#[test]
fn a_member_holds_what_was_granted_and_not_taken_back() {
    let member_id = MemberId::from_bytes([5; 16]);
    let grant = |n: u8| RoleGrant {
        id: RoleGrantId::from_bytes([n; 16]),
        member_id,
        permission_group_id: PermissionGroupId::from_bytes([6; 16]),
        scope: Scope::EVERYTHING,
        created_at: now(),
    };
    let mut log = vec![(
        now(),
        EventBody::MemberCreated {
            member_id,
            organization_id: organization(),
            name: name("Ada"),
            email: Email::new("ada@example.com").expect("an address"),
            group_ids: Vec::new(),
        },
    )];
    log.push((now(), EventBody::RoleGranted { member_id, grant: grant(1) }));
    log.push((now(), EventBody::RoleGranted { member_id, grant: grant(2) }));
    log.push((now(), EventBody::RoleRevoked { member_id, role_grant_id: grant(1).id }));
    let ada = replay::<Member>(&log).expect("applies").expect("stands");
    assert_eq!(ada.role_grants, [grant(2)]);
    log.push((now(), EventBody::RoleRevoked { member_id, role_grant_id: grant(1).id }));
    assert_eq!(replay::<Member>(&log).expect_err("refused").why, "the grant is not held");
}

#[test]
fn a_templates_versions_follow_each_other() {
    let policy_template_id = PolicyTemplateId::from_bytes([7; 16]);
    let update = |version: u32| EventBody::PolicyTemplateUpdated {
        policy_template_id,
        name: name("Monthly"),
        version,
        policy: rotating(),
    };
    let created = EventBody::PolicyTemplateCreated {
        policy_template_id,
        organization_id: organization(),
        name: name("Default"),
        policy: Policy::default(),
    };
    let log = [(now(), created.clone()), (now(), update(2)), (now(), update(3))];
    let template = replay::<PolicyTemplate>(&log).expect("applies").expect("stands");
    assert_eq!((template.version, template.policy), (3, rotating()));
    assert!(replay::<PolicyTemplate>(&[(now(), created), (now(), update(3))]).is_err());
}
