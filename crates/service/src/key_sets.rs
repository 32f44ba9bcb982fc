//! Key Sets: seen, listed, renamed, put under another policy. Their life is in `acts`, their values in
//! `retrieve` (product.md D3, D5, D6).

use claviger_domain::id::{KeySetId, PolicyTemplateId};
use claviger_domain::key_sets::KeySet;
use claviger_domain::permission::Permission;
use claviger_domain::policy_templates::{PolicyTemplate, TemplateVersion};
use claviger_domain::refusal::Refusal;
use claviger_wire::Page;
use claviger_wire::key_sets as wire;

use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::issuing::{Purse, replan};
use crate::lists::ListParameters;
use crate::request::{Answer, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

mod acts;
mod authorized_apis;
mod bulk;
mod filters;
mod impact;
mod retrieve;
mod surroundings;
mod timeline;
mod view;

pub(crate) use view::Viewer;

impl Answer for wire::KeySet {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { credentials: None, ..self.clone() })
    }

    fn etag(&self) -> Option<String> {
        etag::of(&Self { credentials: None, ..self.clone() }).ok()
    }

    fn has_secret(&self) -> bool {
        self.credentials.is_some()
    }
}

impl Service {
    pub async fn key_set_read(&self, request: &Request, id: KeySetId) -> Result<Read<wire::KeySet>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let set = reader.key_set(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::KeySetsRead, &set.place()) {
            return Err(Error::not_found());
        }
        let mut viewer = Viewer::new(self, &mut reader, &authority, self.now()).await?;
        Read::of(viewer.view(&mut reader, &set).await?)
    }

    /// Workspace > Keys: all filters of product.md D5, combined with AND.
    pub async fn key_set_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::KeySet>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let now = self.now();
        let visible = authority.listed(Permission::KeySetsRead)?;
        let query = filters::query(self, request, &mut reader, given, visible, now).await?;
        let page = reader.key_sets(&query).await?;
        let mut viewer = Viewer::new(self, &mut reader, &authority, now).await?;
        let views = viewer.views(&mut reader, &page.items).await?;
        self.page(request, given, page.with_items(views))
    }

    /// Gives the set another name; names may repeat.
    pub async fn key_set_update(
        &self,
        request: &Request,
        id: KeySetId,
        body: &wire::Update,
    ) -> Result<Written<wire::KeySet>, Error> {
        self.write(request, "key_set_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.key_set_to(id, Permission::KeySetsUpdate).await?;
                write.check_key_set_match(&present).await?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                let events = name.map(|name| present.rename(name)).unwrap_or_default();
                write.append_all(present.place(), None, events).await?;
                write.key_set_now(id).await
            })
        })
        .await
    }

    /// Puts the present version of a template on the set, with or without counting the live Key's dates
    /// anew (product.md D3).
    pub async fn key_set_set_policy(
        &self,
        request: &Request,
        id: KeySetId,
        body: &wire::PutPolicy,
    ) -> Result<Written<wire::KeySet>, Error> {
        let mut attempt = 0;
        loop {
            let purse = self.purse_for_policy(request, id).await?;
            let purse = &purse;
            let written = self
                .write(request, "key_set_set_policy", Status::Done, |write| {
                    Box::pin(async move { write.key_set_set_policy(id, body, purse).await })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    async fn purse_for_policy(&self, request: &Request, id: KeySetId) -> Result<Purse, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let set = reader.key_set(id).await?;
        let set = set.filter(|set| authority.allows(Permission::KeySetsPolicy, &set.place()));
        drop(reader);
        self.purse_to_settle(set.as_slice(), self.now()).await
    }
}

impl Write<'_, '_> {
    /// The Key Set, if the actor may see it and do `act` to it.
    pub(super) async fn key_set_to(&mut self, id: KeySetId, act: Permission) -> Result<KeySet, Error> {
        let set = self.tx.key_set(id).await?.ok_or(Refusal::NotFound)?;
        self.require(Permission::KeySetsRead, act, &set.place())?;
        Ok(set)
    }

    /// The set as it stands after the write, as this actor sees it.
    pub(super) async fn key_set_now(&mut self, id: KeySetId) -> Result<wire::KeySet, Error> {
        let set = self.tx.key_set(id).await?.ok_or(Refusal::NotFound)?;
        self.key_set_view(&set).await
    }

    pub(super) async fn key_set_view(&mut self, set: &KeySet) -> Result<wire::KeySet, Error> {
        let mut viewer = Viewer::new(self.service, self.tx, &self.authority, self.now).await?;
        viewer.view(self.tx, set).await
    }

    /// `If-Match`, without the cost of the view when it was not sent.
    pub(super) async fn check_key_set_match(&mut self, set: &KeySet) -> Result<(), Error> {
        if self.request.if_match.is_none() {
            return Ok(());
        }
        let view = self.key_set_view(set).await?;
        self.check_if_match(&view)
    }

    /// What was due under the old policy is done under it.
    async fn key_set_set_policy(
        &mut self,
        id: KeySetId,
        body: &wire::PutPolicy,
        purse: &Purse,
    ) -> Result<wire::KeySet, Error> {
        let present = self.key_set_to(id, Permission::KeySetsPolicy).await?;
        self.check_key_set_match(&present).await?;
        let template = self.policy_of_kin(&present, &body.policy_template_id).await?;
        let settled = self.settle(present, &mut purse.hand(), purse).await?;
        let version = TemplateVersion { template_id: template.id, template_version: template.version };
        let events = settled.change_policy(template.policy, version, body.enforce_schedule, self.now);
        self.append_all(settled.place(), None, events).await?;
        self.key_set_now(id).await
    }

    /// A template of the Organization that the set's present one belongs to: a consumer of another
    /// Organization's API can't choose how long its keys live.
    async fn policy_of_kin(&mut self, set: &KeySet, text: &str) -> Result<PolicyTemplate, Error> {
        let unknown = || Refusal::invalid("/policy_template_id", "there is no policy template with this id");
        let id: PolicyTemplateId = text.parse().map_err(|_| unknown())?;
        let template = self.tx.policy_template(id).await?.ok_or_else(unknown)?;
        let present = self.tx.policy_template_even_deleted(set.template.template_id).await?;
        let owner = present.map(|template| template.organization_id);
        let readable =
            self.authority.allows_within(Permission::PolicyTemplatesRead, template.organization_id);
        if readable && owner == Some(template.organization_id) { Ok(template) } else { Err(unknown().into()) }
    }
}
