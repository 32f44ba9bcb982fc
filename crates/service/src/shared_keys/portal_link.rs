//! The portal link of an outside key: made, withdrawn (product.md C5). Its token is told once, and kept as a
//! digest.

use claviger_domain::credential::CredentialKind;
use claviger_domain::event::{EventBody, NewEvent, Private};
use claviger_domain::id::SharedKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::secret::Plaintext;
use claviger_wire::shared_keys as wire;

use crate::error::Error;
use crate::fields::Fields;
use crate::request::{Answer, Gone, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl Answer for wire::PortalLink {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { url: None, ..self.clone() })
    }

    fn has_secret(&self) -> bool {
        self.url.is_some()
    }
}

impl Service {
    /// Makes a link; the one before it, and every session that came from it, is good no more.
    pub async fn shared_key_create_portal_link(
        &self,
        request: &Request,
        id: SharedKeyId,
        body: &wire::PostPortalLink,
    ) -> Result<Written<wire::PortalLink>, Error> {
        self.write(request, "shared_key_create_portal_link", Status::Done, |write| {
            Box::pin(write.shared_key_create_portal_link(id, body))
        })
        .await
    }

    pub async fn shared_key_delete_portal_link(
        &self,
        request: &Request,
        id: SharedKeyId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "shared_key_delete_portal_link", Status::Deleted, |write| {
            Box::pin(async move {
                let key = write.shared_key_to(id, Permission::SharedKeysPortalLink).await?;
                let event: EventBody = key.delete_portal_link()?;
                write.append(key.place(), event).await?;
                Ok(Gone)
            })
        })
        .await
    }

    /// The digest that a portal link's token, or a session's, is known by.
    pub(crate) fn digest_of_portal(&self, token: &Plaintext) -> Private {
        let digest_key = self.state.keys.digest_control.newest();
        let key = digest_key.digest(token.expose().as_bytes());
        Private { digest_key: digest_key.id(), key, secret: None }
    }
}

impl Write<'_, '_> {
    async fn shared_key_create_portal_link(
        &mut self,
        id: SharedKeyId,
        body: &wire::PostPortalLink,
    ) -> Result<wire::PortalLink, Error> {
        let key = self.shared_key_to(id, Permission::SharedKeysPortalLink).await?;
        let mut fields = Fields::new();
        let reason = fields.note("/reason", body.reason.as_deref());
        let expires_at = fields.instant("/expires_at", body.expires_at.as_deref());
        if expires_at.is_some_and(|at| at <= self.now) {
            fields.wrong("/expires_at", "must be in the future");
        }
        fields.finish()?;
        let event = key.create_portal_link(expires_at)?;
        let token = self.service.fresh_credential(CredentialKind::Portal).value;
        let private = Some(self.service.digest_of_portal(&token));
        let event = NewEvent { reason, private, ..self.event(key.place(), event) };
        self.tx.append(event).await?;
        let url = format!("{}/portal#{}", self.service.options().public_url, token.expose());
        Ok(wire::PortalLink { url: Some(url), expires_at: expires_at.map(|at| at.to_string()) })
    }
}
