//! Retrieving what may be had once, cut short at every step: by a caller who hangs up, by a keeper that dies,
//! by another one who asks as well. The value is shown to one, is never lost, and stays in the log
//! (product.md D8; security.md 11).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::request::Outcome;
use claviger_service::{Error, Request, Unavailable, Written};
use claviger_wire::key_sets::Retrieved;
use futures::future::join_all;
use serde_json::json;

use crate::workspace::{OneKeySet, no_reason};
use crate::world::{Actor, World, everywhere, fresh};

on_both_databases!(
    d8_a_caller_who_hangs_up_at_any_moment_uses_nothing_up,
    d8_a_keeper_that_dies_after_the_reveal_was_logged_uses_nothing_up,
    d8_of_many_at_once_one_is_shown_the_value,
    d8_of_twins_under_one_idempotency_key_one_is_shown_the_value,
);

/// Fewer than one actor may open in an hour.
const AT_ONCE: usize = 16;

/// A set whose LATEST the scheduler issued: its value may be had once.
async fn rotated(world: &World) -> OneKeySet {
    let one = world.one_key_set("api_key", json!({"rotates_every": "P30D"})).await;
    world.pass("P30D");
    world.run_scheduler().await;
    one
}

async fn retriever(world: &World) -> Actor {
    world.actor(&[Permission::KeySetsRead, Permission::KeySetsRetrieve], everywhere()).await
}

async fn retrieve(world: &World, request: &Request, one: &OneKeySet) -> Result<Written<Retrieved>, Error> {
    world.service.key_set_retrieve(request, one.key_set_id(), None, &no_reason()).await
}

/// Polls a future so often at most, then drops it: its caller hung up.
async fn hang_up_after<T>(polls: usize, act: impl Future<Output = T>) -> Option<T> {
    let mut act = pin!(act);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        act.as_mut().poll(context).map(Some)
    })
    .await
}

/// Polls a future until the log has grown beyond `head`.
async fn until_logged<T>(world: &World, head: i64, mut act: Pin<&mut impl Future<Output = T>>) {
    while world.events().await == head {
        let ended = poll_fn(|context| Poll::Ready(act.as_mut().poll(context).is_ready())).await;
        assert!(!ended, "it ended before anything was logged");
        tokio::task::yield_now().await;
    }
}

async fn d8_a_caller_who_hangs_up_at_any_moment_uses_nothing_up(world: World) {
    let one = rotated(&world).await;
    let mut actor = retriever(&world).await;
    let before = world.events().await;
    {
        // However fast the machine is: one at least after the reveal.
        let request = actor.request();
        let mut asked = pin!(retrieve(&world, &request, &one));
        until_logged(&world, before, asked.as_mut()).await;
    }
    let mut polls = 0;
    let shown = loop {
        match hang_up_after(polls, retrieve(&world, &actor.request(), &one)).await {
            // Whoever hung up late has their value put back by then, as at the end of the process.
            None => world.service.end_retrievals().await,
            Some(Err(Error::Refused(Refusal::TooManyReveals { .. }))) => {
                actor = retriever(&world).await;
                continue;
            }
            Some(answer) => break fresh(answer),
        }
        polls += 1;
    };
    let latest = world.key_set(&one.id).await.keys[1].clone();
    assert_eq!(shown.key_id, latest.id);
    assert!(latest.masked.starts_with(&shown.key[..12]), "{}", latest.masked);
    let again = world.refused(retrieve(&world, &actor.request(), &one)).await;
    assert_eq!(again, Refusal::AlreadyShown);
}

async fn d8_a_keeper_that_dies_after_the_reveal_was_logged_uses_nothing_up(world: World) {
    let one = rotated(&world).await;
    let path = format!("/v1/key-sets/{}/retrieve", one.id);
    let request = world.owner.request_under("once", &path, &json!({}));
    let before = world.events().await;
    let mut asked = pin!(retrieve(&world, &request, &one));
    until_logged(&world, before, asked.as_mut()).await;
    let dead = world.kill_keeper().await;
    let answer = asked.await;
    assert!(matches!(answer, Err(Error::Unavailable(Unavailable::Keeper))), "{answer:?}");
    assert_eq!(world.events().await, before + 1, "the log says that it was about to be shown");
    world.revive(dead).await;
    let shown = fresh(retrieve(&world, &request, &one).await);
    assert!(shown.key.starts_with("clv_key_"), "the same request is not taken for answered");
    let again = world.refused(retrieve(&world, &world.owner.request(), &one)).await;
    assert_eq!(again, Refusal::AlreadyShown);
}

async fn d8_of_many_at_once_one_is_shown_the_value(world: World) {
    let one = rotated(&world).await;
    let request = world.owner.request();
    let answers = join_all((0..AT_ONCE).map(|_| retrieve(&world, &request, &one))).await;
    let mut shown = 0;
    for answer in answers {
        match answer {
            Ok(_) => shown += 1,
            Err(Error::Refused(Refusal::AlreadyShown | Refusal::Conflict)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(shown, 1);
    world.verify_log().await;
}

async fn d8_of_twins_under_one_idempotency_key_one_is_shown_the_value(world: World) {
    let one = rotated(&world).await;
    let path = format!("/v1/key-sets/{}/retrieve", one.id);
    let request = world.owner.request_under("twins", &path, &json!({}));
    let twins = join_all((0..2).map(|_| retrieve(&world, &request, &one))).await;
    let mut shown = 0;
    for answer in twins {
        match answer.expect("a twin is answered with the other's record").outcome {
            Outcome::Fresh(_) => shown += 1,
            Outcome::Replayed(record) => assert!(record.get("key").is_none(), "{record}"),
        }
    }
    assert_eq!(shown, 1);
}
