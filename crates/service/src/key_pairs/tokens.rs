//! What key pairs with the use `jwt` are for: signing tokens, and letting anybody check them.

use std::sync::Arc;

use claviger_domain::id::KeyPairId;
use claviger_domain::key_pairs::{KeyPairAct, KeyUse, token_claims};
use claviger_domain::refusal::Refusal;
use claviger_domain::time::Timestamp;
use claviger_keeper::SignJwt;
use claviger_wire::key_pairs as wire;
use tokio::sync::Mutex;

use super::{Accessor, place_of};
use crate::error::Error;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::Service;

/// For how long a node answers from memory what another node may have changed, in seconds.
const KEPT_SECONDS: i64 = 5;

/// The public halves as they were last read, and when. Whoever asks needs no key: the database is asked for one of
/// them at a time, and seldom.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Option<(Timestamp, Arc<wire::JwkSet>)>>);

impl Service {
    /// Signs claims as a JSON Web Token. It is in the keeper's journal, and nowhere else.
    pub async fn key_pair_sign_jwt(
        &self,
        request: &Request,
        id: KeyPairId,
        body: &wire::SignJwt,
    ) -> Result<wire::SignedJwt, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let pair = reader.key_pair(id).await?.ok_or(Refusal::NotFound)?;
        Accessor::of(&mut reader, &authority).await?.require(&pair, KeyPairAct::SignJwt)?;
        let mut fields = Fields::new();
        let ttl = fields.period("/ttl", &body.ttl);
        let ttl = fields.finish_with(ttl)?;
        pair.require_use(KeyUse::Jwt)?;
        let claims = token_claims(&body.claims, &ttl, self.now())?;
        let sealed = reader.sealed_row(&id.to_string()).await?;
        let sealed = sealed.ok_or_else(|| Error::internal("the private half of a key pair is gone"))?;
        drop(reader);
        let (database, actor) = (self.state.instance_id.clone(), request.caller.service_key_id.to_string());
        let key_id = id.to_string();
        let signed = self.ask_keeper(move |keeper| {
            keeper.sign_jwt(SignJwt {
                place: place_of(&database, &key_id),
                sealed: &sealed,
                algorithm: pair.algorithm,
                actor: &actor,
                key_id: &key_id,
                claims: &claims,
            })
        });
        Ok(wire::SignedJwt { jwt: signed.await? })
    }

    /// The public halves of all pairs that are published, of every Organization.
    pub async fn jwk_set(&self) -> Result<Arc<wire::JwkSet>, Error> {
        let now = self.now();
        let mut kept = self.state.published.0.lock().await;
        if let Some((read_at, set)) = kept.as_ref()
            && (0..KEPT_SECONDS).contains(&now.seconds_since(*read_at))
        {
            return Ok(Arc::clone(set));
        }
        let pairs = self.state.store.read().await?.public_key_pairs().await?;
        let keys = pairs.iter().filter(|pair| pair.is_published()).map(wire::Jwk::from).collect();
        let set = Arc::new(wire::JwkSet { keys });
        *kept = Some((now, Arc::clone(&set)));
        Ok(set)
    }

    /// Has this node read anew what is published, after a write that may have changed it.
    pub(super) async fn forget_published(&self) {
        *self.state.published.0.lock().await = None;
    }
}
