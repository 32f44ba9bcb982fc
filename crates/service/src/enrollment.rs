//! Enrolling a data node (security.md 2): a one-time token made for it, and what it gets for that: the keys that
//! deciding needs, encrypted by the keeper to the node's own.

use std::net::IpAddr;

use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::event::{ActorKind, ActorRef, EventBody, NewEvent};
use claviger_domain::id::NodeId;
use claviger_domain::permission::Permission;
use claviger_domain::scope::Place;
use claviger_domain::secret::Digest;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use claviger_keeper::{NODE_KEY_LENGTH, NodeKey, Recipient};
use claviger_store::Tx;
use claviger_wire::nodes as wire;

use crate::error::{Error, SignIn};
use crate::fields::Fields;
use crate::request::{Answer, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// For how long a token is good.
const TOKEN_SECONDS: i64 = 3_600;

impl Answer for wire::Enrollment {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { token: None, ..self.clone() })
    }

    fn has_secret(&self) -> bool {
        self.token.is_some()
    }
}

impl Service {
    /// Makes the token by which one data node enrols, within the hour.
    pub async fn node_enroll(
        &self,
        request: &Request,
        body: &wire::PostEnrollment,
    ) -> Result<Written<wire::Enrollment>, Error> {
        self.write(request, "node_enroll", Status::Done, |write| Box::pin(write.node_enroll(body))).await
    }

    /// Enrols the node that holds the token. Whether a token is unknown, used or expired is told to nobody.
    pub async fn node_join(
        &self,
        source: Option<IpAddr>,
        body: &wire::PostJoin,
    ) -> Result<wire::Joined, Error> {
        let mut fields = Fields::new();
        let key = node_key(&body.public_key);
        if key.is_none() {
            fields.wrong("/public_key", "must be 64 hexadecimal digits");
        }
        fields.finish()?;
        let refused = || self.slowed(Error::SignIn(SignIn::Unauthenticated), source);
        let token = WellFormed::parse(&body.token).filter(|token| token.kind() == CredentialKind::Node);
        let (Some(_), Some(key)) = (token, key) else { return Err(refused()) };
        let (digest, id, name) = self.node_of_token(&body.token).await?.ok_or_else(refused)?;
        let (instance_id, node) = (self.state.instance_id.clone(), id.to_string());
        // Before anything is written: no transaction waits for the keeper, and a node without keys is none.
        let bundle = self
            .ask_keeper(move |keeper| keeper.bundle(&key, Recipient { database: &instance_id, node: &node }))
            .await?;
        let source = source.map(|source| source.to_string());
        let name = &name;
        let enrolled = self.state.store.commit("node_join", |tx| {
            let source = source.clone();
            Box::pin(async move { self.enrol(tx, &digest, (id, name), source).await })
        });
        let (true, head) = enrolled.await? else { return Err(refused()) };
        self.follow_to(head).await?;
        Ok(wire::Joined {
            id: id.to_string(),
            name: name.to_string(),
            instance_id: self.state.instance_id.clone(),
            bundle: claviger_wire::events::hex(&bundle),
        })
    }

    /// The node that the token enrols, and the digest that it is known by.
    async fn node_of_token(&self, token: &str) -> Result<Option<(Digest, NodeId, Name)>, Error> {
        let mut reader = self.state.store.read().await?;
        for digest_key in self.state.keys.digest_control.iter() {
            let digest = digest_key.digest(token.as_bytes());
            if let Some((id, name)) = reader.node_token(&digest, self.now()).await? {
                return Ok(Some((digest, id, name)));
            }
        }
        Ok(None)
    }

    /// Uses the token up; false if another was faster.
    async fn enrol(
        &self,
        tx: &mut Tx<'_>,
        digest: &Digest,
        (node_id, name): (NodeId, &Name),
        source: Option<String>,
    ) -> Result<bool, Error> {
        let now = self.now();
        if tx.node_token(digest, now).await?.is_none() {
            return Ok(false);
        }
        tx.take_node_token(digest, now).await?;
        tx.append(NewEvent {
            id: self.fresh_id(now),
            at: now,
            actor: ActorRef {
                kind: ActorKind::System,
                id: Some(node_id.to_string()),
                name: name.to_string(),
            },
            source,
            reason: None,
            place: Place::INSTANCE,
            counterpart: None,
            body: EventBody::NodeEnrolled { node_id, name: name.clone() },
            private: None,
        })
        .await?;
        Ok(true)
    }

    /// Carries over what data nodes said of themselves.
    pub async fn hear_nodes(&self) -> Result<(), Error> {
        let reports = self.state.store.read().await?.unread_reports().await?;
        if reports.is_empty() {
            return Ok(());
        }
        let reports = &reports;
        let heard = self.state.store.commit("nodes_hear", |tx| {
            Box::pin(async move {
                for report in reports {
                    tx.carry_over(report).await?;
                }
                Ok::<_, Error>(())
            })
        });
        heard.await.map(drop)
    }
}

impl Write<'_, '_> {
    async fn node_enroll(&mut self, body: &wire::PostEnrollment) -> Result<wire::Enrollment, Error> {
        self.authority.require_act(Permission::NodesEnroll, &Place::INSTANCE)?;
        let mut fields = Fields::new();
        let name = fields.name("/name", &body.name);
        fields.finish()?;
        let name = name.ok_or_else(|| Error::internal("a name that is not wrong is there"))?;
        let (id, token) = (self.fresh_id(), self.service.fresh_credential(CredentialKind::Node).value);
        let digest = self.service.state.keys.digest_control.newest().digest(token.expose().as_bytes());
        let expires_at: Timestamp = self.now.plus_seconds(TOKEN_SECONDS);
        self.tx.put_node_token(&digest, id, &name, expires_at).await?;
        self.append(
            Place::INSTANCE,
            EventBody::NodeTokenIssued { node_id: id, name: name.clone(), expires_at },
        )
        .await?;
        Ok(wire::Enrollment {
            id: id.to_string(),
            name: name.to_string(),
            token: Some(token.expose().to_owned()),
            expires_at: expires_at.to_string(),
        })
    }
}

fn node_key(text: &str) -> Option<NodeKey> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    if digits.len() != 2 * NODE_KEY_LENGTH {
        return None;
    }
    let mut key = [0; NODE_KEY_LENGTH];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_64_hexadecimal_digits() {
        assert_eq!(node_key(&"0a".repeat(32)), Some([10; 32]));
        for wrong in [
            String::new(),
            "0a".repeat(31),
            "0a".repeat(33),
            "g0".repeat(32),
            "+1".repeat(32),
            "é".repeat(32),
        ] {
            assert_eq!(node_key(&wrong), None, "{wrong}");
        }
    }
}
