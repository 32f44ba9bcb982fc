//! APIs: entries of the catalog, and how their callers authenticate (product.md C1, C2, F6).

use claviger_domain::apis::{Api, Visibility};
use claviger_domain::environments::Environment;
use claviger_domain::event::EventBody;
use claviger_domain::id::{ApiId, OrganizationId, PolicyTemplateId};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::text::{Name, Slug};
use claviger_store::{ApiFilter, ApiSort, Reader, Visible};
use claviger_wire::Page;
use claviger_wire::apis as wire;
use claviger_wire::bulk::Bulk;

use crate::authority::Authority;
use crate::bulk;
use crate::environments::environment_ids;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::names::Names;
use crate::organizations::DEFAULT_TEMPLATE;
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

mod fields;

impl Answer for wire::Api {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/apis/{}", self.entry.id))
    }
}

impl Service {
    pub async fn api_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Api>, Error> {
        self.write(request, "api_create", Status::Created, |write| {
            Box::pin(async move { write.api_create(body).await })
        })
        .await
    }

    /// Adds many, all or none.
    pub async fn api_create_bulk(
        &self,
        request: &Request,
        body: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Api>>, Error> {
        bulk::check(body)?;
        self.write(request, "api_create_bulk", Status::Created, |write| {
            Box::pin(async move {
                let mut items = Vec::with_capacity(body.items.len());
                for (at, item) in body.items.iter().enumerate() {
                    let made = write.api_create(item).await;
                    items.push(made.map_err(|error| bulk::at_item(at, error))?);
                }
                Ok(Bulk { items })
            })
        })
        .await
    }

    /// Reads an API by id or slug. Outside its Organization, one of `visibility` `all` is its entry in
    /// the catalog and nothing more.
    pub async fn api_read(&self, request: &Request, api: &str) -> Result<Read<wire::ApiView>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = by_id_or_slug(&mut reader, api).await?.ok_or(Refusal::NotFound)?;
        let view = api_view(&mut reader, &authority, &api).await?.ok_or(Refusal::NotFound)?;
        Read::of(view)
    }

    /// The catalog: all APIs of the Organizations in which the caller may read any, and those of
    /// `visibility` `all`.
    pub async fn api_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::ApiView>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = Visible {
            public: authority.allows_somewhere(Permission::ApisRead),
            ..authority.listed_within(Permission::ApisRead)?
        };
        let mut parameters = Parameters::new(given)?;
        let mut names = Names::default();
        let environments = reader.all_environments().await?;
        let filter = ApiFilter {
            organization_ids: parameters.all("organization_id")?,
            group_ids: parameters.all("group_id")?,
            environment_ids: environment_ids(&mut reader, &parameters.many("environment_id")).await?,
            auth_types: parameters.words("auth_type")?,
            exposed: parameters.parsed("exposed", "true or false")?,
            q: parameters.text("q")?,
            ..ApiFilter::default()
        };
        let sorts = [("created_at", ApiSort::CreatedAt), ("name", ApiSort::Name), ("slug", ApiSort::Slug)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.apis(&query).await?;
        let mut views = Vec::with_capacity(page.items.len());
        for api in &page.items {
            let owner = names.organization(&mut reader, api.organization_id).await?;
            views.push(view_of(&authority, api, &owner.name, &environments));
        }
        self.page(request, given, page.with_items(views))
    }

    pub async fn api_update(
        &self,
        request: &Request,
        api: &str,
        body: &wire::Update,
    ) -> Result<Written<wire::Api>, Error> {
        self.write(request, "api_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.api_to(api, Permission::ApisUpdate).await?;
                write.check_api_match(&present).await?;
                let mut settings = present.settings.clone();
                let mut fields = Fields::new();
                let environments = write.tx.all_environments().await?;
                let own_listeners = &write.service.options().own_listeners;
                let known = fields::Known { environments: &environments, own_listeners };
                fields::changed(&mut fields, &mut settings, body, &known);
                if let Some(text) = &body.policy_template_id {
                    let owner = present.organization_id;
                    let template = write.template_named(&mut fields, owner, text).await?;
                    settings.policy_template_id = template.unwrap_or(settings.policy_template_id);
                }
                fields.finish()?;
                let changed = settings != present.settings;
                if changed {
                    write
                        .append(present.place(), EventBody::ApiUpdated { api_id: present.id, settings })
                        .await?;
                }
                write.api_now(present.id).await
            })
        })
        .await
    }

    /// Exposes the API or takes it back. Putting it as it is already is no event.
    pub async fn api_set_exposure(
        &self,
        request: &Request,
        api: &str,
        body: &wire::PutExposure,
    ) -> Result<Written<wire::Api>, Error> {
        self.write(request, "api_set_exposure", Status::Done, |write| {
            Box::pin(async move {
                let present = write.api_to(api, Permission::ApisExposure).await?;
                write.check_api_match(&present).await?;
                if present.exposed != body.exposed {
                    let api_id = present.id;
                    let event = match body.exposed {
                        true => EventBody::ApiExposed { api_id },
                        false => EventBody::ApiUnexposed { api_id },
                    };
                    write.append(present.place(), event).await?;
                }
                write.api_now(present.id).await
            })
        })
        .await
    }

    /// Refused while a live Subscription is for it.
    pub async fn api_delete(&self, request: &Request, api: &str) -> Result<Written<Gone>, Error> {
        self.write(request, "api_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.api_to(api, Permission::ApisDelete).await?;
                write.check_api_match(&present).await?;
                let users = write.tx.users_of_api(present.id).await?;
                if users.is_empty() {
                    write.remove_integration_of(&present).await?;
                }
                write.delete(present.place(), users, EventBody::ApiDeleted { api_id: present.id }).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    async fn api_create(&mut self, body: &wire::Create) -> Result<wire::Api, Error> {
        let mut fields = Fields::new();
        let group = self.group_named("/group_id", body.group_id.as_deref()).await?;
        self.authority.require_act(Permission::ApisCreate, &group.place())?;
        if body.exposed {
            self.authority.require_act(Permission::ApisExposure, &group.place())?;
        }
        let template = match &body.policy_template_id {
            Some(text) => self.template_named(&mut fields, group.organization_id, text).await?,
            None => self.default_template(&mut fields, group.organization_id).await?,
        };
        let environments = self.tx.all_environments().await?;
        let own_listeners = &self.service.options().own_listeners;
        let known = fields::Known { environments: &environments, own_listeners };
        let slug = fields.slug("/slug", &body.slug);
        // Without a template the body is refused below, once all of it was read.
        let placeholder = template.unwrap_or(PolicyTemplateId::from_bytes([0; 16]));
        let settings = fields::created(&mut fields, body, &known, placeholder);
        let (slug, settings) = fields.finish_with(slug.zip(settings))?;
        self.check_slug(&slug, group.organization_id).await?;
        let api_id: ApiId = self.fresh_id();
        let event = EventBody::ApiCreated {
            api_id,
            organization_id: group.organization_id,
            group_id: group.id,
            slug,
            settings,
            exposed: body.exposed,
        };
        self.append(group.place(), event).await?;
        self.api_now(api_id).await
    }

    /// Slugs are unique in the instance, and belong to their Organization for ever (product.md C1).
    async fn check_slug(&mut self, slug: &Slug, owner: OrganizationId) -> Result<(), Error> {
        match self.tx.slug_owner(slug).await? {
            Some(taken) if taken.in_use || taken.organization_id != owner => {
                Err(Refusal::NameTaken { pointer: "/slug".to_owned() }.into())
            }
            _ => Ok(()),
        }
    }

    /// The API, if the actor may see all of it and do `act` to it.
    pub(crate) async fn api_to(&mut self, api: &str, act: Permission) -> Result<Api, Error> {
        api_to(self.tx, &self.authority, api, act).await
    }

    /// `If-Match`, without the cost of the view when it was not sent.
    async fn check_api_match(&mut self, api: &Api) -> Result<(), Error> {
        if self.request.if_match.is_none() {
            return Ok(());
        }
        let view = self.api_whole(api).await?;
        self.check_if_match(&view)
    }

    async fn api_whole(&mut self, api: &Api) -> Result<wire::Api, Error> {
        let owner = Names::default().organization(self.tx, api.organization_id).await?;
        let environments = self.tx.all_environments().await?;
        Ok(wire::Api::new(api, &owner.name, &environments))
    }

    async fn api_now(&mut self, id: ApiId) -> Result<wire::Api, Error> {
        let api = self.tx.api(id).await?.ok_or(Refusal::NotFound)?;
        self.api_whole(&api).await
    }

    /// A template of the API's own Organization, by id.
    async fn template_named(
        &mut self,
        fields: &mut Fields,
        owner: OrganizationId,
        text: &str,
    ) -> Result<Option<PolicyTemplateId>, Error> {
        let pointer = "/policy_template_id";
        let Some(id) = fields.id(pointer, text) else { return Ok(None) };
        let readable = self.authority.allows_within(Permission::PolicyTemplatesRead, owner);
        let found = self.tx.policy_template(id).await?;
        let fits = found.is_some_and(|template| readable && template.organization_id == owner);
        if !fits {
            fields.wrong(pointer, "there is no policy template with this id in the API's Organization");
        }
        Ok(fits.then_some(id))
    }

    async fn default_template(
        &mut self,
        fields: &mut Fields,
        owner: OrganizationId,
    ) -> Result<Option<PolicyTemplateId>, Error> {
        let name = Name::new(DEFAULT_TEMPLATE).map_err(Error::internal)?;
        let template = self.tx.policy_template_named(owner, &name).await?;
        if template.is_none() {
            fields.wrong("/policy_template_id", "name a template: the template Default is gone");
        }
        Ok(template.map(|template| template.id))
    }
}

/// The API, if the caller may see it and do `act` to it.
pub(crate) async fn api_to(
    reader: &mut Reader,
    authority: &Authority,
    api: &str,
    act: Permission,
) -> Result<Api, Error> {
    let api = visible(reader, authority, api).await?;
    authority.require_act(act, &api.place())?;
    Ok(api)
}

/// The API, if the caller may see it at all, whole or not.
pub(crate) async fn visible(reader: &mut Reader, authority: &Authority, api: &str) -> Result<Api, Error> {
    let api = by_id_or_slug(reader, api).await?.filter(|api| is_visible(authority, api));
    api.ok_or_else(Error::not_found)
}

/// The API that an id or a slug names.
pub(crate) async fn by_id_or_slug(reader: &mut Reader, text: &str) -> Result<Option<Api>, Error> {
    if let Ok(id) = text.parse::<ApiId>() {
        return Ok(reader.api(id).await?);
    }
    match Slug::new(text) {
        Ok(slug) => Ok(reader.api_by_slug(&slug).await?),
        Err(_) => Ok(None),
    }
}

/// The APIs that a filter names by id or slug. One that there is not matches nothing.
pub(crate) async fn api_ids(reader: &mut Reader, texts: &[&str]) -> Result<Vec<ApiId>, Error> {
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let found = by_id_or_slug(reader, text).await?;
        ids.push(found.map_or(ApiId::from_bytes([0; 16]), |api| api.id));
    }
    Ok(ids)
}

/// Whether the caller may see the API as every Organization may.
fn is_public_to(authority: &Authority, api: &Api) -> bool {
    api.settings.visibility == Visibility::All && authority.allows_somewhere(Permission::ApisRead)
}

/// Whether the caller may see the API at all, whole or not.
pub(crate) fn is_visible(authority: &Authority, api: &Api) -> bool {
    authority.allows_within(Permission::ApisRead, api.organization_id) || is_public_to(authority, api)
}

/// The API as far as the caller may see it; `None`: not at all.
async fn api_view(
    reader: &mut Reader,
    authority: &Authority,
    api: &Api,
) -> Result<Option<wire::ApiView>, Error> {
    if !is_visible(authority, api) {
        return Ok(None);
    }
    let owner = Names::default().organization(reader, api.organization_id).await?;
    let environments = reader.all_environments().await?;
    Ok(Some(view_of(authority, api, &owner.name, &environments)))
}

fn view_of(
    authority: &Authority,
    api: &Api,
    organization_name: &str,
    environments: &[Environment],
) -> wire::ApiView {
    if authority.allows_within(Permission::ApisRead, api.organization_id) {
        wire::ApiView::Whole(Box::new(wire::Api::new(api, organization_name, environments)))
    } else {
        wire::ApiView::Entry(Box::new(wire::CatalogEntry::new(api, organization_name, environments)))
    }
}
