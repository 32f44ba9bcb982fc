//! Environments: they belong to the instance, and who may see any may see all; but a right for one
//! Environment shows that one alone.

use claviger_domain::environments::Environment;
use claviger_domain::event::EventBody;
use claviger_domain::id::EnvironmentId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_domain::text::Slug;
use claviger_store::{EnvironmentFilter, EnvironmentSort, Reader, Visible};
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::environments as wire;

use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl Answer for wire::Environment {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/environments/{}", self.id))
    }
}

impl Service {
    pub async fn environment_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Environment>, Error> {
        self.write(request, "environment_create", Status::Created, |write| {
            Box::pin(write.environment_create(body))
        })
        .await
    }

    /// Many at once, all or none.
    pub async fn environment_create_bulk(
        &self,
        request: &Request,
        bulk: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Environment>>, Error> {
        self.write_bulk(request, "environment_create_bulk", bulk, |write, body| {
            Box::pin(write.environment_create(body))
        })
        .await
    }

    pub async fn environment_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Environment>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let ids = authority.listed_environments()?;
        let mut parameters = Parameters::new(given)?;
        let filter = EnvironmentFilter { ids, q: parameters.text("q")? };
        let sorts = [
            ("created_at", EnvironmentSort::CreatedAt),
            ("name", EnvironmentSort::Name),
            ("slug", EnvironmentSort::Slug),
        ];
        let query = parameters.finish(self, request, &sorts, filter, Visible::everything())?;
        let page = reader.environments(&query).await?;
        self.page(request, given, page.map(|environment| (&environment).into()))
    }

    /// `id`: an id or a slug.
    pub async fn environment_read(
        &self,
        request: &Request,
        id: &str,
    ) -> Result<Read<wire::Environment>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let environment = by_id_or_slug(&mut reader, id).await?;
        let seen = environment.filter(|environment| authority.sees_environment(environment.id));
        Read::of((&seen.ok_or(Refusal::NotFound)?).into())
    }

    pub async fn environment_update(
        &self,
        request: &Request,
        id: &str,
        body: &wire::Update,
    ) -> Result<Written<wire::Environment>, Error> {
        self.write(request, "environment_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.environment_to(id, Permission::EnvironmentsUpdate).await?;
                write.check_if_match(&wire::Environment::from(&present))?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                if let Some(name) = name.filter(|name| *name != present.name) {
                    let event = EventBody::EnvironmentUpdated { environment_id: present.id, name };
                    write.append(Place::INSTANCE, event).await?;
                }
                Ok((&write.environment(present.id).await?).into())
            })
        })
        .await
    }

    pub async fn environment_delete(&self, request: &Request, id: &str) -> Result<Written<Gone>, Error> {
        self.write(request, "environment_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.environment_to(id, Permission::EnvironmentsDelete).await?;
                write.check_if_match(&wire::Environment::from(&present))?;
                let users = write.tx.users_of_environment(present.id, write.now).await?;
                let event = EventBody::EnvironmentDeleted { environment_id: present.id };
                write.delete(Place::INSTANCE, users, event).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn environment_create(&mut self, body: &wire::Create) -> Result<wire::Environment, Error> {
        self.authority.require_act(Permission::EnvironmentsCreate, &Place::INSTANCE)?;
        let mut fields = Fields::new();
        let wanted = fields.slug("/slug", &body.slug).zip(fields.name("/name", &body.name));
        let (slug, name) = fields.finish_with(wanted)?;
        if self.tx.environment_by_slug(&slug).await?.is_some() {
            return Err(Refusal::NameTaken { pointer: "/slug".into() }.into());
        }
        let environment_id = self.fresh_id();
        let event = EventBody::EnvironmentCreated { environment_id, slug, name };
        self.append(Place::INSTANCE, event).await?;
        Ok((&self.environment(environment_id).await?).into())
    }

    pub(crate) async fn environment(&mut self, id: EnvironmentId) -> Result<Environment, Error> {
        Ok(self.tx.environment(id).await?.ok_or(Refusal::NotFound)?)
    }

    async fn environment_to(&mut self, id: &str, act: Permission) -> Result<Environment, Error> {
        let environment = by_id_or_slug(self.tx, id).await?;
        let seen = environment.filter(|environment| self.authority.sees_environment(environment.id));
        let environment = seen.ok_or(Refusal::NotFound)?;
        self.authority.require_act(act, &Place::INSTANCE)?;
        Ok(environment)
    }
}

/// The Environments that a filter names by id or slug. One that there is not matches nothing.
pub(crate) async fn environment_ids(
    reader: &mut Reader,
    texts: &[&str],
) -> Result<Vec<EnvironmentId>, Error> {
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let found = by_id_or_slug(reader, text).await?;
        ids.push(found.map_or(EnvironmentId::from_bytes([0; 16]), |environment| environment.id));
    }
    Ok(ids)
}

/// The Environment that an id or a slug names.
pub(crate) async fn by_id_or_slug(reader: &mut Reader, text: &str) -> Result<Option<Environment>, Error> {
    if let Ok(id) = text.parse::<EnvironmentId>() {
        return Ok(reader.environment(id).await?);
    }
    match Slug::new(text) {
        Ok(slug) => Ok(reader.environment_by_slug(&slug).await?),
        Err(_) => Ok(None),
    }
}
