//! Key pairs: who may do what as one table, and their lives (product.md A).

use claviger_domain::id::{GroupId, KeyPairId, MemberId};
use claviger_domain::key_pairs::{Grantee, Level};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::{Refusal, User};
use claviger_service::{Error, Unavailable};
use claviger_wire::key_pairs::{AccessLevel, Acl, Grant, GranteeKind, KeyPair};
use serde_json::{Value, json};

use crate::world::{
    Actor, Limits, World, body, everywhere, forbidden, fresh, in_organization, pointers, query, replayed,
};

on_both_databases!(
    a1_made_with_a_name_alone_and_names_are_unique,
    a1_every_algorithm_is_made_and_signs,
    a3_the_private_half_is_sealed_for_its_row_and_wiped,
    a4_the_list_shows_what_one_has_access_to,
    a6_access_is_given_changed_and_taken_back,
    a6_whoever_leaves_takes_their_access_along,
    a8_a_pair_is_made_beside_the_old_one,
    without_the_keeper_no_pair_is_made_and_all_else_goes_on,
);

/// Everything on key pairs but what needs no access to the one pair.
const ALL: &[Permission] = &[
    Permission::KeyPairsRead,
    Permission::KeyPairsCreate,
    Permission::KeyPairsUpdate,
    Permission::KeyPairsDelete,
    Permission::KeyPairsAcl,
    Permission::KeyPairsReplace,
    Permission::KeyPairsSignJwt,
];

impl World {
    pub(crate) async fn key_pair_by(&self, actor: &Actor, typed: Value) -> KeyPair {
        fresh(self.service.key_pair_create(&actor.request(), &body(typed)).await)
    }

    async fn key_pair(&self, name: &str) -> KeyPair {
        self.key_pair_by(&self.owner, json!({"name": name, "uses": ["git", "jwt"]})).await
    }

    async fn somebody(&self, typed: Value) -> MemberId {
        let word = self.fresh_word("m").replace(' ', "");
        let mut whole = json!({"name": word, "email": format!("{word}@example.com")});
        for (member, value) in typed.as_object().into_iter().flatten() {
            whole[member] = value.clone();
        }
        let made = fresh(self.service.member_create(&self.owner.request(), &body(whole)).await);
        made.id.parse().expect("an id")
    }

    /// A service key that counts as the member.
    async fn acting_for(&self, member_id: MemberId, permissions: &[Permission]) -> Actor {
        let limits = Limits { member_id: Some(member_id), ..Limits::default() };
        self.limited_actor(permissions, in_organization(self.organization_id), limits).await
    }

    async fn team(&self, name: &str) -> GroupId {
        let made = self.service.group_create(&self.owner.request(), &body(json!({"name": name}))).await;
        fresh(made).id.parse().expect("an id")
    }

    async fn share(&self, pair: &KeyPair, grantee: Grantee, level: &str) -> Grant {
        let level = body(json!({"level": level}));
        fresh(self.service.key_pair_grant(&self.owner.request(), id_of(pair), grantee, &level).await)
    }

    async fn acl(&self, pair: &KeyPair) -> Acl {
        self.service.key_pair_acl(&self.owner.request(), id_of(pair)).await.expect("an ACL")
    }

    async fn key_pairs_of(&self, actor: &Actor, pairs: &[(&str, &str)]) -> Vec<String> {
        let page = self.service.key_pair_list(&actor.request(), &query("/v1/key-pairs", pairs)).await;
        page.expect("a page").items.into_iter().map(|pair| pair.name).collect()
    }
}

fn id_of(pair: &KeyPair) -> KeyPairId {
    pair.id.parse().expect("an id")
}

async fn a1_made_with_a_name_alone_and_names_are_unique(world: World) {
    let request = world.owner.request();
    let pair = world.key_pair_by(&world.owner, json!({"name": " Deploy "})).await;
    assert_eq!((pair.name.as_str(), pair.access), ("Deploy", AccessLevel::Admin));
    assert!(pair.public_key.openssh.starts_with("ssh-ed25519 "));
    assert_eq!(pair.can, ["read", "rename", "attach", "share", "replace", "delete"], "it signs no tokens");
    let create = async |typed: Value| {
        let typed = body(typed);
        world.refused(world.service.key_pair_create(&request, &typed)).await
    };
    assert_eq!(create(json!({"name": "DEPLOY"})).await, Refusal::NameTaken { pointer: "/name".into() });
    for (typed, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"name": "a\u{202e}b"}), "/name"),
        (json!({"name": "x".repeat(101)}), "/name"),
        (json!({"name": "A", "uses": []}), "/uses"),
        (json!({"name": "A", "public": true}), "/public"),
        (json!({"name": "A", "organization_id": "org_7zzzzzzzzzzzzzzzzzzzzzzzzz"}), "/organization_id"),
    ] {
        assert_eq!(pointers(&create(typed.clone()).await), [pointer], "{typed}");
    }
    let other = world.other_organization().await.organization_id;
    world.key_pair_by(&world.owner, json!({"name": "Deploy", "organization_id": other})).await;
    let typed = json!({"name": "Once"});
    let once = world.owner.request_under("once", "/v1/key-pairs", &typed);
    let first = fresh(world.service.key_pair_create(&once, &body(typed.clone())).await);
    let again = replayed(world.service.key_pair_create(&once, &body(typed)).await);
    assert_eq!(again["id"], first.id);
}

async fn a1_every_algorithm_is_made_and_signs(world: World) {
    let claims = body(json!({"claims": {"sub": "shop"}}));
    for (algorithm, line, alg) in [
        ("ed25519", "ssh-ed25519 ", "EdDSA"),
        ("ecdsa-p256", "ecdsa-sha2-nistp256 ", "ES256"),
        ("rsa-3072", "ssh-rsa ", "RS256"),
        ("rsa-4096", "ssh-rsa ", "RS256"),
    ] {
        let typed = json!({"name": algorithm, "algorithm": algorithm, "uses": ["jwt"]});
        let pair = world.key_pair_by(&world.owner, typed).await;
        assert_eq!(serde_json::to_value(pair.algorithm).expect("a word"), algorithm);
        assert!(pair.public_key.openssh.starts_with(line) && pair.public_key.jwk.alg == alg);
        let signed = world.service.key_pair_sign_jwt(&world.owner.request(), id_of(&pair), &claims).await;
        assert_eq!(signed.expect("a token").jwt.split('.').count(), 3);
    }
}

async fn a3_the_private_half_is_sealed_for_its_row_and_wiped(world: World) {
    let (one, other) = (world.key_pair("One").await, world.key_pair("Other").await);
    let sealed = async |pair: &KeyPair| {
        world.service.store().read().await.expect("a reader").sealed_row(&pair.id).await.expect("read")
    };
    let mine = sealed(&one).await.expect("sealed");
    let sign = async |pair: &KeyPair| {
        let claims = body(json!({"claims": {}}));
        world.service.key_pair_sign_jwt(&world.owner.request(), id_of(pair), &claims).await
    };
    sign(&one).await.expect("a token");
    // Moved to another row it opens for nobody.
    let id = other.id.clone();
    let moved = world.service.store().commit("move", |tx| {
        let (mine, id) = (mine.clone(), id.clone());
        Box::pin(async move { tx.put_sealed_row(&id, &mine).await })
    });
    moved.await.expect("moved");
    assert!(matches!(sign(&other).await, Err(Error::Internal(_))));
    sign(&one).await.expect("a token");
    world.service.key_pair_delete(&world.owner.request(), id_of(&one)).await.expect("deleted");
    assert_eq!(sealed(&one).await, None, "what is deleted signs no more");
    assert!(matches!(sign(&one).await, Err(Error::Refused(Refusal::NotFound))));
}

async fn a4_the_list_shows_what_one_has_access_to(world: World) {
    let team = world.team("Team").await;
    let (ada, bob) = (world.somebody(json!({})).await, world.somebody(json!({"group_ids": [team]})).await);
    let (ada, bob) = (world.acting_for(ada, ALL).await, world.acting_for(bob, ALL).await);
    let mut pairs = Vec::new();
    for name in ["Hidden", "For all", "For the team", "Mine 50%"] {
        world.set_time(world.now().plus_seconds(1));
        let maker = if name.starts_with("Mine") { &ada } else { &world.owner };
        pairs.push(world.key_pair_by(maker, json!({"name": name})).await);
    }
    world.share(&pairs[1], Grantee::Everyone, "read").await;
    world.share(&pairs[2], Grantee::Group(team), "write").await;
    assert_eq!(world.key_pairs_of(&ada, &[]).await, ["Mine 50%", "For all"], "the newest first");
    assert_eq!(world.key_pairs_of(&bob, &[]).await, ["For the team", "For all"]);
    let all = ["Mine 50%", "For the team", "For all", "Hidden"];
    assert_eq!(world.key_pairs_of(&world.owner, &[]).await, all, "an admin sees all");
    assert_eq!(world.key_pairs_of(&world.owner, &[("q", "FOR")]).await, ["For the team", "For all"]);
    assert_eq!(world.key_pairs_of(&world.owner, &[("q", "%")]).await, ["Mine 50%"]);
    assert_eq!(world.key_pairs_of(&world.owner, &[("sort", "name")]).await[0], "For all");
    assert_eq!(world.key_pairs_of(&world.owner, &[("algorithm", "rsa-4096")]).await, [""; 0]);
    let first = query("/v1/key-pairs", &[("limit", "3")]);
    let page = world.service.key_pair_list(&world.owner.request(), &first).await.expect("a page");
    let next = page.next_cursor.expect("more");
    let rest = [("limit", "3"), ("cursor", next.as_str())];
    assert_eq!(world.key_pairs_of(&world.owner, &rest).await, ["Hidden"]);
    let nobody = world.acting_for(world.owner_member_id, &[Permission::GroupsRead]).await;
    let (nobody, all_pairs) = (nobody.request(), query("/v1/key-pairs", &[]));
    let asked = world.service.key_pair_list(&nobody, &all_pairs);
    assert_eq!(world.refused(asked).await, forbidden(Permission::KeyPairsRead));
    // Who is given admin rights in one Group alone administers nothing that belongs to the whole.
    let mut scope = in_organization(world.organization_id);
    scope.group_id = Some(team.to_string());
    let limits = Limits { member_id: Some(world.somebody(json!({})).await), ..Limits::default() };
    let all = [ALL, &[Permission::KeyPairsAdminister]].concat();
    let of_the_team = world.limited_actor(&all, scope, limits).await;
    assert_eq!(world.key_pairs_of(&of_the_team, &[]).await, ["For all"]);
}

/// What became of an act.
fn outcome<T: std::fmt::Debug>(answer: Result<T, Error>) -> &'static str {
    match answer {
        Ok(_) | Err(Error::Refused(Refusal::InvalidTransition { .. })) => "let in",
        Err(Error::Refused(Refusal::NotFound)) => "hidden",
        Err(Error::Refused(Refusal::AccessTooLow { .. })) => "too low",
        Err(Error::Refused(Refusal::Forbidden { .. })) => "forbidden",
        other => panic!("{other:?}"),
    }
}

/// Every act with the level that it needs; deleting last.
const ACTS: [(&str, Level); 10] = [
    ("read", Level::Read),
    ("acl", Level::Read),
    ("rename", Level::Write),
    ("sign-jwt", Level::Write),
    ("publish", Level::Admin),
    ("candidates", Level::Admin),
    ("grant", Level::Admin),
    ("revoke", Level::Admin),
    ("replace", Level::Admin),
    ("delete", Level::Admin),
];

async fn act(world: &World, by: &Actor, pair: &KeyPair, what: &str) -> &'static str {
    let (service, request, id) = (&world.service, &by.request(), id_of(pair));
    let third = Grantee::Member(world.owner_member_id);
    match what {
        "read" => outcome(service.key_pair_read(request, id).await),
        "acl" => outcome(service.key_pair_acl(request, id).await),
        "rename" => {
            let typed = body(json!({"name": world.fresh_word("Pair")}));
            outcome(service.key_pair_update(request, id, &typed).await)
        }
        "sign-jwt" => outcome(service.key_pair_sign_jwt(request, id, &body(json!({"claims": {}}))).await),
        "publish" => outcome(service.key_pair_update(request, id, &body(json!({"public": true}))).await),
        "candidates" => outcome(service.key_pair_candidates(request, id, &query("/", &[("q", "a")])).await),
        "grant" => {
            outcome(service.key_pair_grant(request, id, third, &body(json!({"level": "admin"}))).await)
        }
        "revoke" => {
            // Somebody whom nobody misses, so that the table stays as it is.
            let spare = Grantee::Member(world.somebody(json!({})).await);
            world.share(pair, spare, "read").await;
            outcome(service.key_pair_revoke(request, id, spare).await)
        }
        "replace" => outcome(service.key_pair_replace(request, id, &body(json!({}))).await),
        "delete" => outcome(service.key_pair_delete(request, id).await),
        other => panic!("no act {other}"),
    }
}

/// Those who try, each a service key with every permission on key pairs but that to administer them.
struct People {
    team: GroupId,
    member_id: MemberId,
    member: Actor,
    of_the_team: Actor,
    colleague: Actor,
    outsider: Actor,
    admin: Actor,
}

impl People {
    async fn of(world: &World) -> Self {
        let team = world.team("Team").await;
        let member_id = world.somebody(json!({})).await;
        let (of_the_team, colleague) =
            (world.somebody(json!({"group_ids": [team]})).await, world.somebody(json!({})).await);
        let other = world.other_organization().await.organization_id;
        let outsider = world.somebody(json!({"organization_id": other})).await;
        let limits = Limits { member_id: Some(outsider), ..Limits::default() };
        let administers = [ALL, &[Permission::KeyPairsAdminister]].concat();
        Self {
            team,
            member_id,
            member: world.acting_for(member_id, ALL).await,
            of_the_team: world.acting_for(of_the_team, ALL).await,
            outsider: world.limited_actor(&administers, in_organization(other), limits).await,
            admin: world.acting_for(colleague, &administers).await,
            colleague: world.acting_for(colleague, ALL).await,
        }
    }
}

/// What somebody at this level hears of an act.
fn expected(held: Option<Level>, needed: Level) -> &'static str {
    match held {
        None => "hidden",
        Some(level) if level >= needed => "let in",
        Some(_) => "too low",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_every_level_and_every_act_by_everybody() {
    let world = World::on_sqlite().await;
    let people = People::of(&world).await;
    let mut wrong = Vec::new();
    for level in Level::ALL {
        let (to_all, to_team, to_one) =
            (Grantee::Everyone, Grantee::Group(people.team), Grantee::Member(people.member_id));
        for grantee in [to_all, to_team, to_one] {
            let rows = [
                ("the member", &people.member, (grantee != to_team).then_some(level)),
                ("one of the Group", &people.of_the_team, (grantee != to_one).then_some(level)),
                ("a colleague", &people.colleague, (grantee == to_all).then_some(level)),
                ("an outsider", &people.outsider, None),
                ("an admin", &people.admin, Some(Level::Admin)),
            ];
            for (name, who, held) in rows {
                let pair = world.key_pair(&world.fresh_word("Pair")).await;
                world.share(&pair, grantee, level.as_str()).await;
                for (what, needed) in ACTS {
                    let found = act(&world, who, &pair, what).await;
                    if found != expected(held, needed) {
                        wrong.push(format!("{level:?} to {grantee}: {name}: {what}: {found}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_neither_the_level_nor_the_permission_is_enough_alone() {
    let world = World::on_sqlite().await;
    let member_id = world.somebody(json!({})).await;
    let needs = [
        ("rename", Permission::KeyPairsUpdate),
        ("publish", Permission::KeyPairsUpdate),
        ("sign-jwt", Permission::KeyPairsSignJwt),
        ("candidates", Permission::KeyPairsAcl),
        ("grant", Permission::KeyPairsAcl),
        ("revoke", Permission::KeyPairsAcl),
        ("replace", Permission::KeyPairsReplace),
        ("delete", Permission::KeyPairsDelete),
    ];
    for (what, permission) in needs {
        let pair = world.key_pair(&world.fresh_word("Pair")).await;
        world.share(&pair, Grantee::Member(member_id), "admin").await;
        let others: Vec<_> = ALL.iter().copied().filter(|other| *other != permission).collect();
        let one_short = world.acting_for(member_id, &others).await;
        assert_eq!(act(&world, &one_short, &pair, what).await, "forbidden", "{what}");
        let blind: Vec<_> = ALL.iter().copied().filter(|other| *other != Permission::KeyPairsRead).collect();
        let blind = world.acting_for(member_id, &blind).await;
        assert_eq!(act(&world, &blind, &pair, what).await, "hidden", "{what}");
        let stranger = world.acting_for(world.somebody(json!({})).await, ALL).await;
        assert_eq!(act(&world, &stranger, &pair, what).await, "hidden", "{what}");
    }
}

async fn a6_access_is_given_changed_and_taken_back(world: World) {
    let (team, member_id) = (world.team("Crew").await, world.somebody(json!({"name": "Ada"})).await);
    let pair = world.key_pair("Deploy").await;
    let creator = Grantee::Member(world.owner_member_id);
    let (request, id) = (world.owner.request(), id_of(&pair));
    let granted = world.share(&pair, Grantee::Member(member_id), "write").await;
    assert_eq!((granted.kind, granted.name.as_deref()), (GranteeKind::Member, Some("Ada")));
    world.share(&pair, Grantee::Member(member_id), "read").await;
    let events = world.events().await;
    world.share(&pair, Grantee::Member(member_id), "read").await;
    assert_eq!(world.events().await, events, "it was so already");
    world.share(&pair, Grantee::Group(team), "write").await;
    world.share(&pair, Grantee::Everyone, "read").await;
    let items = world.acl(&pair).await.items;
    let shown: Vec<_> = items.iter().map(|grant| (grant.kind, grant.level)).collect();
    let (read, write, admin) = (AccessLevel::Read, AccessLevel::Write, AccessLevel::Admin);
    let (everyone, group, member) = (GranteeKind::Everyone, GranteeKind::Group, GranteeKind::Member);
    assert_eq!(shown, [(member, admin), (member, read), (group, write), (everyone, read)]);
    let revoke = async |grantee| world.service.key_pair_revoke(&request, id, grantee).await;
    assert_eq!(world.refused(revoke(creator)).await, Refusal::LastAdmin);
    let lower = body(json!({"level": "write"}));
    let lowered = world.service.key_pair_grant(&request, id, creator, &lower);
    assert_eq!(world.refused(lowered).await, Refusal::LastAdmin);
    world.share(&pair, Grantee::Group(team), "admin").await;
    revoke(creator).await.expect("another admin is there");
    assert_eq!(world.refused(revoke(creator)).await, Refusal::NotFound);
    let elsewhere = world.other_organization().await.organization_id;
    let outsider = world.somebody(json!({"organization_id": elsewhere})).await;
    let typed = body(json!({"level": "read"}));
    let shared = world.service.key_pair_grant(&request, id, Grantee::Member(outsider), &typed);
    assert_eq!(world.refused(shared).await, Refusal::NotFound, "of another Organization");
    let found = world.service.key_pair_candidates(&request, id, &query("/", &[("q", "a")])).await;
    let found = found.expect("candidates").items;
    let ada = found.iter().find(|candidate| candidate.name == "Ada").expect("Ada");
    assert_eq!((ada.kind, ada.level), (member, Some(read)));
    assert!(found.iter().all(|candidate| candidate.id != outsider.to_string()));
    let crew = world.service.key_pair_candidates(&request, id, &query("/", &[("q", "CREW")])).await;
    assert_eq!(crew.expect("candidates").items[0].level, Some(admin));
}

async fn a6_whoever_leaves_takes_their_access_along(world: World) {
    let (team, member_id) = (world.team("Team").await, world.somebody(json!({})).await);
    let pair = world.key_pair("Deploy").await;
    world.share(&pair, Grantee::Member(member_id), "admin").await;
    world.share(&pair, Grantee::Group(team), "write").await;
    let request = world.owner.request();
    world.service.group_delete(&request, team).await.expect("nothing else uses it");
    assert_eq!(world.acl(&pair).await.items.len(), 2);
    let creator = Grantee::Member(world.owner_member_id);
    world.service.key_pair_revoke(&request, id_of(&pair), creator).await.expect("taken");
    let refused = world.refused(world.service.member_delete(&request, member_id)).await;
    let users = vec![User { id: pair.id.clone(), name: "Deploy".to_owned() }];
    assert_eq!(refused, Refusal::InUse { users }, "the last admin");
    world.share(&pair, creator, "admin").await;
    world.service.member_delete(&request, member_id).await.expect("another admin is there");
    assert_eq!(world.acl(&pair).await.items.len(), 1);
}

async fn a8_a_pair_is_made_beside_the_old_one(world: World) {
    let request = world.owner.request();
    let old = world.key_pair("Deploy").await;
    world.share(&old, Grantee::Everyone, "read").await;
    let replace = async |pair: &KeyPair, typed: Value| {
        world.service.key_pair_replace(&request, id_of(pair), &body(typed)).await
    };
    let new = fresh(replace(&old, json!({})).await);
    assert_eq!((new.name.as_str(), new.replaces.as_ref()), ("Deploy (2)", Some(&old.id)));
    assert_eq!((new.uses.len(), world.acl(&new).await), (2, world.acl(&old).await));
    assert_ne!(new.public_key, old.public_key);
    let kept = world.service.key_pair_read(&request, id_of(&old)).await.expect("it stays").body;
    assert_eq!((kept.replaced_by.as_ref(), &kept.public_key), (Some(&new.id), &old.public_key));
    for pair in [&old, &new] {
        let claims = body(json!({"claims": {}}));
        world.service.key_pair_sign_jwt(&request, id_of(pair), &claims).await.expect("both sign");
    }
    let again = world.refused(replace(&old, json!({}))).await;
    assert!(matches!(again, Refusal::InvalidTransition { from: "replaced", .. }), "{again:?}");
    let taken = world.refused(replace(&new, json!({"name": "deploy"}))).await;
    assert_eq!(taken, Refusal::NameTaken { pointer: "/name".into() });
    let third = fresh(replace(&new, json!({"algorithm": "ecdsa-p256"})).await);
    assert_eq!(third.name, "Deploy (3)");
    assert!(third.public_key.openssh.starts_with("ecdsa-sha2-nistp256 "));
    world.service.key_pair_delete(&request, id_of(&old)).await.expect("told so");
    let kept = world.service.key_pair_read(&request, id_of(&new)).await.expect("it stays").body;
    assert_eq!(kept.replaces.as_ref(), Some(&old.id), "it remembers whose place it took");
    world.service.key_pair_delete(&request, id_of(&third)).await.expect("given up");
    fresh(replace(&new, json!({"name": "Deploy"})).await);
}

async fn without_the_keeper_no_pair_is_made_and_all_else_goes_on(world: World) {
    let pair = world.key_pair("Deploy").await;
    let typed = json!({"name": "Once"});
    let once = world.owner.request_under("once", "/v1/key-pairs", &typed);
    let first = fresh(world.service.key_pair_create(&once, &body(typed.clone())).await);
    let dead = world.kill_keeper().await;
    let request = world.owner.request();
    let before = world.events().await;
    let made = world.service.key_pair_create(&request, &body(json!({"name": "New"}))).await;
    assert!(matches!(made, Err(Error::Unavailable(Unavailable::Keeper))), "{made:?}");
    let made = world.service.key_pair_replace(&request, id_of(&pair), &body(json!({}))).await;
    assert!(matches!(made, Err(Error::Unavailable(Unavailable::Keeper))), "{made:?}");
    let signed = world.service.key_pair_sign_jwt(&request, id_of(&pair), &body(json!({"claims": {}}))).await;
    assert!(matches!(signed, Err(Error::Unavailable(Unavailable::Keeper))), "{signed:?}");
    assert_eq!(world.events().await, before);
    let again = replayed(world.service.key_pair_create(&once, &body(typed)).await);
    assert_eq!(again["id"], first.id, "a replay needs no keeper");
    let twice = world.service.key_pair_create(&request, &body(json!({"name": "ONCE"}))).await;
    assert!(
        matches!(twice, Err(Error::Refused(Refusal::NameTaken { .. }))),
        "nothing is made for it: {twice:?}"
    );
    let weak = world.actor(&[Permission::GroupsRead], everywhere()).await;
    let (weak, typed) = (weak.request(), body(json!({"name": "New"})));
    let refused = world.service.key_pair_create(&weak, &typed);
    assert_eq!(world.refused(refused).await, forbidden(Permission::KeyPairsCreate));
    world.service.key_pair_delete(&request, id_of(&pair)).await.expect("deleted");
    world.revive(dead).await;
    world.key_pair("Deploy").await;
}
