//! Who may ask for decisions while the node has not heard of the log for too long.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::{Error, Unavailable};
use serde_json::json;

use crate::world::{World, body, everywhere, forbidden};

on_both_databases!(
    old_memory_refuses_nobody_for_good_and_marks_nothing,
    whoever_guesses_while_all_is_stale_is_slowed,
);

impl World {
    /// A day and more in which the node hears nothing of the log.
    fn lose_touch(&self) {
        self.set_time(self.now().plus_seconds(86_401));
    }
}

async fn old_memory_refuses_nobody_for_good_and_marks_nothing(world: World) {
    let lacking = world.actor(&[Permission::ApisRead], everywhere()).await;
    let holding = world.actor(&[Permission::VerifyCall], everywhere()).await;
    world.service.follow().await.expect("followed");
    assert_eq!(
        world.refused(async { world.service.verify_sign_in(&lacking.value, None) }).await,
        forbidden(Permission::VerifyCall)
    );
    world.service.flush_usage().await.expect("written");
    let id = [holding.caller.service_key_id.to_string()];
    let used = async || {
        let mut reader = world.service.store().read().await.expect("a reader");
        reader.last_used(&id).await.expect("read")
    };
    let before = used().await;
    world.lose_touch();
    let behind = world.service.verify_sign_in(&lacking.value, None);
    assert!(matches!(behind, Err(Error::Unavailable(Unavailable::Behind))), "{behind:?}");
    let asker = world.service.verify_sign_in(&holding.value, None).expect("good when last heard of");
    let verdict = world.service.verify(&asker, body(json!({"credential": {"key": "clv_key_x"}})));
    assert_eq!(verdict.await.expect("decided").code().as_str(), "malformed");
    world.service.flush_usage().await.expect("written");
    assert_eq!(used().await, before, "a use that may be none");
}

async fn whoever_guesses_while_all_is_stale_is_slowed(world: World) {
    world.lose_touch();
    let source = "203.0.113.9".parse().ok();
    let guess = claviger_domain::credential::generate(
        claviger_domain::credential::CredentialKind::Service,
        |buffer| buffer.fill(9),
    );
    let mut slowed = 0;
    for _ in 0..130 {
        match world.service.verify_sign_in(guess.value.expose(), source) {
            Err(Error::Unavailable(Unavailable::Behind)) => assert_eq!(slowed, 0),
            Err(Error::Refused(Refusal::TooManyRequests { .. })) => slowed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(slowed, 10, "120 failures within a minute are borne");
    world.service.verify_sign_in(&world.owner.value, source).expect("a good key is not refused");
}
