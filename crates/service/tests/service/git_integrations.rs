//! Git integrations: who may attach a pair, who may use it through its API, who sees what (product.md A7, B1), and
//! jobs on a machine that can't do them. What hosts do is tested with the whole program.

use std::time::Duration;

use claviger_domain::id::MemberId;
use claviger_domain::key_pairs::{Grantee, Level};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::git_integrations::{GitIntegration, Tested};
use claviger_wire::jobs::{Job, Status};
use claviger_wire::key_pairs::KeyPair;
use serde_json::{Value, json};

use crate::world::{
    Actor, Limits, World, body, forbidden, fresh, in_organization, pointers, query, replayed,
};

on_both_databases!(
    a7_attaching_needs_write_access_to_the_pair,
    a7_an_attached_pair_is_used_by_right_on_the_api_and_signs_in_nowhere_else,
    a7_who_has_no_access_sees_a_key_that_can_not_be_seen,
    a4_a_pair_shows_what_it_is_attached_to_as_far_as_one_sees_that,
    b1_each_act_asks_for_its_own_permission,
    b1_a_pair_is_of_the_apis_organization_and_for_git,
    b1_a_credential_is_no_part_of_an_address_a_branch_or_a_path,
    b3_jobs_are_told_once_bounded_and_end_on_a_machine_without_git,
);

/// Everything on integrations, and on key pairs what one has access to.
const ALL: &[Permission] = &[
    Permission::ApisRead,
    Permission::GitIntegrationsRead,
    Permission::GitIntegrationsUpdate,
    Permission::GitIntegrationsDelete,
    Permission::GitIntegrationsTest,
    Permission::GitIntegrationsPull,
    Permission::GitIntegrationsPush,
    Permission::GitIntegrationsHostKey,
    Permission::KeyPairsRead,
    Permission::JobsRead,
];

/// A member of the Organization, by a service key that counts as them.
async fn colleague(world: &World, permissions: &[Permission]) -> (MemberId, Actor) {
    let word = world.fresh_word("c").replace(' ', "");
    let typed = body(json!({"name": word, "email": format!("{word}@example.com")}));
    let made = fresh(world.service.member_create(&world.owner.request(), &typed).await);
    let member_id = made.id.parse().expect("an id");
    let limits = Limits { member_id: Some(member_id), ..Limits::default() };
    let scope = in_organization(world.organization_id);
    (member_id, world.limited_actor(permissions, scope, limits).await)
}

async fn made(world: &World, typed: Value) -> KeyPair {
    fresh(world.service.key_pair_create(&world.owner.request(), &body(typed)).await)
}

async fn shared(world: &World, pair: &KeyPair, with: MemberId, level: Level) {
    let id = pair.id.parse().expect("an id");
    let level = body(json!({"level": level.as_str()}));
    let request = world.owner.request();
    fresh(world.service.key_pair_grant(&request, id, Grantee::Member(with), &level).await);
}

fn typed(pair: &KeyPair, address: &str) -> Value {
    json!({"address": address, "branch": "main", "path": "openapi.yaml", "key_pair_id": pair.id})
}

const OURS: &str = "git@git.example:acme/orders.git";
const THEIRS: &str = "git@attacker.example:acme/orders.git";

async fn put(world: &World, actor: &Actor, api: &str, typed: &Value) -> GitIntegration {
    fresh(world.service.git_integration_put(&actor.request(), api, &body(typed.clone())).await)
}

async fn put_refused(world: &World, actor: &Actor, api: &str, typed: &Value) -> Refusal {
    let (request, typed) = (actor.request(), body(typed.clone()));
    let put = async { world.service.git_integration_put(&request, api, &typed).await };
    world.refused(put).await
}

async fn test(world: &World, actor: &Actor, api: &str, typed: &Value) -> Result<Tested, Refusal> {
    let answer = world.service.git_integration_test(&actor.request(), api, &body(typed.clone())).await;
    answer.map_err(|error| match error {
        claviger_service::Error::Refused(refusal) => refusal,
        other => panic!("{other}"),
    })
}

async fn seen(world: &World, actor: &Actor, api: &str) -> GitIntegration {
    world.service.git_integration_read(&actor.request(), api).await.expect("an integration").body
}

async fn api(world: &World) -> String {
    let template = world.template(json!({})).await;
    world.api(&["api_key"], &template).await.entry.id
}

async fn a7_attaching_needs_write_access_to_the_pair(world: World) {
    let api = api(&world).await;
    let pair = made(&world, json!({"name": "Deploy"})).await;
    let (member, actor) = colleague(&world, ALL).await;
    let typed = typed(&pair, OURS);
    // Without access there is no such pair; to see it is not enough.
    assert_eq!(pointers(&put_refused(&world, &actor, &api, &typed).await), ["/key_pair_id"]);
    assert_eq!(pointers(&test(&world, &actor, &api, &typed).await.expect_err("refused")), ["/key_pair_id"]);
    shared(&world, &pair, member, Level::Read).await;
    let too_low = Refusal::AccessTooLow { needs: Level::Write };
    assert_eq!(put_refused(&world, &actor, &api, &typed).await, too_low);
    assert_eq!(test(&world, &actor, &api, &typed).await.expect_err("refused"), too_low);
    shared(&world, &pair, member, Level::Write).await;
    let saved = put(&world, &actor, &api, &typed).await;
    assert_eq!(saved.key_pair_id, Some(pair.id.clone()));
    assert_eq!(saved.can, ["update", "delete", "test", "pull", "push"]);
}

async fn a7_an_attached_pair_is_used_by_right_on_the_api_and_signs_in_nowhere_else(world: World) {
    let api = api(&world).await;
    let (pair, other) =
        (made(&world, json!({"name": "Deploy"})).await, made(&world, json!({"name": "Other"})).await);
    let ours = typed(&pair, OURS);
    put(&world, &world.owner, &api, &ours).await;
    let (_, deputy) = colleague(&world, ALL).await;
    // What is attached is used: tried as it is, turned off and on, pulled and pushed.
    assert_eq!(test(&world, &deputy, &api, &ours).await.expect("tried").code.as_deref(), Some("git_missing"));
    let mut off = ours.clone();
    off["enabled"] = json!(false);
    assert!(!put(&world, &deputy, &api, &off).await.enabled);
    assert!(put(&world, &deputy, &api, &ours).await.enabled);
    let start = body(json!({}));
    fresh(world.service.git_integration_pull(&deputy.request(), &api, &start).await);
    fresh(world.service.git_integration_push(&deputy.request(), &api, &start).await);
    // Nobody is made to sign in for the deputy, elsewhere or for something else.
    let before = seen(&world, &world.owner, &api).await;
    for (member, value) in [
        ("address", THEIRS),
        ("address", "git@git.example:acme/secrets.git"),
        ("address", "deploy@git.example:acme/orders.git"),
        ("address", "ssh://git@git.example:2222/acme/orders.git"),
        ("branch", "secret"),
        ("path", "secret.yaml"),
        ("key_pair_id", &other.id),
    ] {
        let mut changed = ours.clone();
        changed[member] = json!(value);
        assert_eq!(
            pointers(&put_refused(&world, &deputy, &api, &changed).await),
            ["/key_pair_id"],
            "{value}"
        );
        assert_eq!(
            pointers(&test(&world, &deputy, &api, &changed).await.expect_err("refused")),
            ["/key_pair_id"],
            "{value}"
        );
    }
    assert_eq!(seen(&world, &world.owner, &api).await, before);
    // Another API of the deputy's own gains nothing either.
    let own = self::api(&world).await;
    assert_eq!(pointers(&put_refused(&world, &deputy, &own, &ours).await), ["/key_pair_id"]);
}

async fn a7_who_has_no_access_sees_a_key_that_can_not_be_seen(world: World) {
    let api = api(&world).await;
    let pair = made(&world, json!({"name": "Deploy"})).await;
    put(&world, &world.owner, &api, &typed(&pair, OURS)).await;
    let (member, viewer) = colleague(&world, ALL).await;
    let shown = seen(&world, &viewer, &api).await;
    assert_eq!((&shown.key_pair_id, &shown.key_pair), (&None, &None));
    assert_eq!(shown.address, OURS);
    let text = serde_json::to_string(&shown).expect("JSON");
    assert!(!text.contains(&pair.id) && !text.contains("Deploy") && !text.contains("ssh-ed25519"), "{text}");
    shared(&world, &pair, member, Level::Read).await;
    let shown = seen(&world, &viewer, &api).await.key_pair.expect("a pair");
    assert_eq!((shown.id, shown.public_key), (pair.id.clone(), pair.public_key.openssh.clone()));
    let (_, stranger) = colleague(&world, &[Permission::ApisRead]).await;
    let read = async { world.service.git_integration_read(&stranger.request(), &api).await };
    assert_eq!(world.refused(read).await, Refusal::NotFound);
}

/// What the pair is attached to, as somebody sees it: the ids of APIs, and none for one that can't be seen.
async fn attachments(world: &World, actor: &Actor, pair: &KeyPair) -> Vec<Option<String>> {
    let (request, id) = (actor.request(), pair.id.parse().expect("an id"));
    let read = world.service.key_pair_attachments(&request, id).await.expect("attachments").body;
    let shown = world.service.key_pair_read(&request, id).await.expect("a pair").body;
    assert_eq!(shown.attachments, read.items);
    assert!(read.items.iter().all(|attachment| attachment.kind == "git_integration"));
    read.items.into_iter().map(|attachment| attachment.api.map(|api| api.id)).collect()
}

async fn a4_a_pair_shows_what_it_is_attached_to_as_far_as_one_sees_that(world: World) {
    let api = api(&world).await;
    let pair = made(&world, json!({"name": "Deploy"})).await;
    assert_eq!((pair.attachments.clone(), attachments(&world, &world.owner, &pair).await), (vec![], vec![]));
    put(&world, &world.owner, &api, &typed(&pair, OURS)).await;
    assert_eq!(attachments(&world, &world.owner, &pair).await, [Some(api.clone())]);
    let (member, viewer) = colleague(&world, &[Permission::KeyPairsRead]).await;
    let id = pair.id.parse().expect("an id");
    let read = async { world.service.key_pair_attachments(&viewer.request(), id).await };
    assert_eq!(world.refused(read).await, Refusal::NotFound);
    shared(&world, &pair, member, Level::Read).await;
    assert_eq!(attachments(&world, &viewer, &pair).await, [None], "an API that can't be seen");
    fresh(world.service.git_integration_delete(&world.owner.request(), &api).await);
    assert_eq!(attachments(&world, &viewer, &pair).await, []);
}

async fn b1_each_act_asks_for_its_own_permission(world: World) {
    let api = api(&world).await;
    let pair = made(&world, json!({"name": "Deploy"})).await;
    let typed = typed(&pair, OURS);
    put(&world, &world.owner, &api, &typed).await;
    for (without, act) in [
        (Permission::GitIntegrationsUpdate, "put"),
        (Permission::GitIntegrationsTest, "test"),
        (Permission::GitIntegrationsPull, "pull"),
        (Permission::GitIntegrationsPush, "push"),
        (Permission::GitIntegrationsHostKey, "host-key"),
        (Permission::GitIntegrationsDelete, "delete"),
    ] {
        let most: Vec<Permission> = ALL.iter().copied().filter(|permission| *permission != without).collect();
        let scope = in_organization(world.organization_id);
        let actor = world.limited_actor(&most, scope, Limits::default()).await;
        let (request, start) = (actor.request(), body(json!({})));
        let act = async {
            match act {
                "put" => {
                    world.service.git_integration_put(&request, &api, &body(typed.clone())).await.map(drop)
                }
                "test" => {
                    world.service.git_integration_test(&request, &api, &body(typed.clone())).await.map(drop)
                }
                "pull" => world.service.git_integration_pull(&request, &api, &start).await.map(drop),
                "push" => world.service.git_integration_push(&request, &api, &start).await.map(drop),
                "host-key" => world.service.git_integration_forget_host_key(&request, &api).await.map(drop),
                _ => world.service.git_integration_delete(&request, &api).await.map(drop),
            }
        };
        assert_eq!(world.refused(act).await, forbidden(without));
    }
    let stale = world.owner.request_if_match("\"0\"");
    let put = async { world.service.git_integration_put(&stale, &api, &body(typed)).await };
    assert_eq!(world.refused(put).await, Refusal::PreconditionFailed);
}

async fn b1_a_pair_is_of_the_apis_organization_and_for_git(world: World) {
    let api = api(&world).await;
    let other = world.other_organization().await.organization_id;
    let elsewhere = made(&world, json!({"name": "Deploy", "organization_id": other})).await;
    assert_eq!(
        pointers(&put_refused(&world, &world.owner, &api, &typed(&elsewhere, OURS)).await),
        ["/key_pair_id"]
    );
    let signer = made(&world, json!({"name": "Tokens", "uses": ["jwt"]})).await;
    let refusal = put_refused(&world, &world.owner, &api, &typed(&signer, OURS)).await;
    assert_eq!(refusal, Refusal::NotForThisUse { wanted: "git", uses: vec!["jwt"] });
    // In use, a pair stays; set free, it goes.
    let pair = made(&world, json!({"name": "Deploy"})).await;
    put(&world, &world.owner, &api, &typed(&pair, OURS)).await;
    let (request, id) = (world.owner.request(), pair.id.parse().expect("an id"));
    let delete = async { world.service.key_pair_delete(&request, id).await };
    let Refusal::InUse { users } = world.refused(delete).await else { panic!("in use") };
    assert_eq!(users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(), [api.as_str()]);
    fresh(world.service.git_integration_delete(&request, &api).await);
    fresh(world.service.key_pair_delete(&request, id).await);
    let report =
        world.service.store().read().await.expect("a reader").verify_state().await.expect("compared");
    assert_eq!(report.fault, None);
}

async fn b1_a_credential_is_no_part_of_an_address_a_branch_or_a_path(world: World) {
    let api = api(&world).await;
    let pair = made(&world, json!({"name": "Deploy"})).await;
    let secret = &world.owner.value;
    for (member, value) in [
        ("address", format!("git@git.example:{secret}/orders.git")),
        ("branch", format!("of-{secret}")),
        ("path", format!("{secret}/openapi.yaml")),
    ] {
        let mut typed = typed(&pair, OURS);
        typed[member] = json!(value);
        let refused = Refusal::LooksLikeASecret { pointer: format!("/{member}") };
        assert_eq!(put_refused(&world, &world.owner, &api, &typed).await, refused);
        assert_eq!(test(&world, &world.owner, &api, &typed).await.expect_err("refused"), refused);
    }
}

async fn ended(world: &World, job: &Job) -> Job {
    let id = job.id.parse().expect("an id");
    for _ in 0..600 {
        let read = world.service.job_read(&world.owner.request(), id).await.expect("a job").body;
        if read.status != Status::Running {
            return read;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} does not end", job.id);
}

async fn b3_jobs_are_told_once_bounded_and_end_on_a_machine_without_git(world: World) {
    let api = api(&world).await;
    let pair = made(&world, json!({"name": "Deploy"})).await;
    put(&world, &world.owner, &api, &typed(&pair, OURS)).await;
    let typed = json!({"out_of_sync": "overwrite"});
    let once = world.owner.request_under("once", "/v1/apis/x/git-integration/pull", &typed);
    let before = world.events().await;
    let job = fresh(world.service.git_integration_pull(&once, &api, &body(typed.clone())).await);
    let again = replayed(world.service.git_integration_pull(&once, &api, &body(typed)).await);
    assert_eq!(again["id"], job.id, "one job, however often it was asked for");
    let job = ended(&world, &job).await;
    assert_eq!((job.status, job.outcome.is_none()), (Status::Failed, true));
    assert_eq!(job.errors.iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), ["git_missing"]);
    assert_eq!(world.events().await, before, "jobs are not in the log");
    let (request, failed) = (world.owner.request(), query("/v1/jobs", &[("status", "failed")]));
    let listed = world.service.job_list(&request, &failed).await.expect("a page").items;
    assert_eq!(listed, std::slice::from_ref(&job));
    let (_, stranger) = colleague(&world, &[Permission::ApisRead]).await;
    let id = job.id.parse().expect("an id");
    let read = async { world.service.job_read(&stranger.request(), id).await };
    assert_eq!(world.refused(read).await, Refusal::NotFound);
    world.pass("P31D");
    assert_eq!(world.service.forget_jobs().await.expect("forgotten"), 1);
    world.service.end_jobs().await;
}
