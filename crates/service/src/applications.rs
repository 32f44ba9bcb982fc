//! Applications: consumers' programs. Suspending one takes its Key Sets along, and activating it brings
//! back what it took (product.md D9).

use claviger_domain::applications::{Application, ApplicationStatus, Return};
use claviger_domain::event::EventBody;
use claviger_domain::id::{ApplicationId, KeySetId};
use claviger_domain::key_sets::KeySet;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_store::{ApplicationFilter, ApplicationSort, UsageFilter};
use claviger_wire::Page;
use claviger_wire::acts::{Act, Impact};
use claviger_wire::applications as wire;
use claviger_wire::bulk::Bulk;
use claviger_wire::scope::Named;

use crate::bulk;
use crate::enforcement::Fleet;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::issuing::{Purse, replan};
use crate::lists::{ListParameters, Parameters};
use crate::request::{Answer, Gone, Read, Request, Status, Written};
use crate::state::Service;
use crate::usage::DAY_SECONDS;
use crate::write::Write;

impl Answer for wire::Application {
    fn etag(&self) -> Option<String> {
        etag::of(self).ok()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/applications/{}", self.id))
    }
}

impl Answer for wire::Activated {
    fn etag(&self) -> Option<String> {
        self.application.etag()
    }
}

impl Service {
    pub async fn application_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Application>, Error> {
        self.write(request, "application_create", Status::Created, |write| {
            Box::pin(async move { write.application_create(body).await })
        })
        .await
    }

    /// Adds many, all or none.
    pub async fn application_create_bulk(
        &self,
        request: &Request,
        body: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Application>>, Error> {
        bulk::check(body)?;
        self.write(request, "application_create_bulk", Status::Created, |write| {
            Box::pin(async move {
                let mut items = Vec::with_capacity(body.items.len());
                for (at, item) in body.items.iter().enumerate() {
                    let made = write.application_create(item).await;
                    items.push(made.map_err(|error| bulk::at_item(at, error))?);
                }
                Ok(Bulk { items })
            })
        })
        .await
    }

    pub async fn application_read(
        &self,
        request: &Request,
        id: ApplicationId,
    ) -> Result<Read<wire::Application>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let application = reader.application(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::ApplicationsRead, &application.place()) {
            return Err(Error::not_found());
        }
        Read::of((&application).into())
    }

    pub async fn application_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Application>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed(Permission::ApplicationsRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = ApplicationFilter {
            ids: Vec::new(),
            organization_ids: parameters.all("organization_id")?,
            group_ids: parameters.all("group_id")?,
            statuses: parameters.words("status")?,
            q: parameters.text("q")?,
        };
        let sorts = [("created_at", ApplicationSort::CreatedAt), ("name", ApplicationSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.applications(&query).await?;
        self.page(request, given, page.map(|application| (&application).into()))
    }

    pub async fn application_update(
        &self,
        request: &Request,
        id: ApplicationId,
        body: &wire::Update,
    ) -> Result<Written<wire::Application>, Error> {
        self.write(request, "application_update", Status::Done, |write| {
            Box::pin(async move {
                let present = write.application_to(id, Permission::ApplicationsUpdate).await?;
                write.check_if_match(&wire::Application::from(&present))?;
                let mut fields = Fields::new();
                let name = body.name.as_deref().and_then(|name| fields.name("/name", name));
                fields.finish()?;
                if let Some(name) = name.filter(|name| *name != present.name) {
                    let event = EventBody::ApplicationUpdated { application_id: id, name };
                    write.append(present.place(), event).await?;
                }
                Ok((&write.application(id).await?).into())
            })
        })
        .await
    }

    /// Refused while it has living Key Sets, which are to be revoked first, or live Subscriptions, which
    /// are to be ended.
    pub async fn application_delete(
        &self,
        request: &Request,
        id: ApplicationId,
    ) -> Result<Written<Gone>, Error> {
        self.write(request, "application_delete", Status::Deleted, |write| {
            Box::pin(async move {
                let present = write.application_to(id, Permission::ApplicationsDelete).await?;
                write.check_if_match(&wire::Application::from(&present))?;
                let users = write.tx.users_of_application(id, write.now).await?;
                let event = EventBody::ApplicationDeleted { application_id: id };
                write.delete(present.place(), users, event).await
            })
        })
        .await
    }

    /// Suspends it with all its Key Sets.
    pub async fn application_suspend(
        &self,
        request: &Request,
        id: ApplicationId,
        body: &Act,
    ) -> Result<Written<wire::Application>, Error> {
        let mut attempt = 0;
        loop {
            let purse = self.purse_for_cascade(request, id, Permission::ApplicationsSuspend).await?;
            let purse = &purse;
            let written = self
                .write(request, "application_suspend", Status::Done, |write| {
                    Box::pin(async move { write.application_suspend(id, body, purse).await })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    /// Brings back the Key Sets that it took with it, or all of them.
    pub async fn application_activate(
        &self,
        request: &Request,
        id: ApplicationId,
        body: &wire::Activate,
    ) -> Result<Written<wire::Activated>, Error> {
        let mut attempt = 0;
        loop {
            let purse = self.purse_for_cascade(request, id, Permission::ApplicationsActivate).await?;
            let purse = &purse;
            let written = self
                .write(request, "application_activate", Status::Done, |write| {
                    Box::pin(async move { write.application_activate(id, body, purse).await })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    /// What the schedules of the Application's sets may take.
    async fn purse_for_cascade(
        &self,
        request: &Request,
        id: ApplicationId,
        act: Permission,
    ) -> Result<Purse, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let application = reader.application(id).await?;
        let sets = match application.filter(|it| authority.allows(act, &it.place())) {
            Some(_) => reader.key_sets_of_application(id).await?,
            None => Vec::new(),
        };
        drop(reader);
        self.purse_to_settle(&sets, self.now()).await
    }

    /// What suspending or deleting it would break: its Key Sets that work now.
    pub async fn application_impact(
        &self,
        request: &Request,
        id: ApplicationId,
        act: Option<&str>,
    ) -> Result<Impact, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let now = self.now();
        let application = reader.application(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::ApplicationsRead, &application.place()) {
            return Err(Error::not_found());
        }
        let breaks = match act.unwrap_or("suspend") {
            "suspend" | "delete" => true,
            "activate" => false,
            _ => return Err(crate::lists::bad("act", "must be suspend, activate or delete")),
        };
        let mut sets = reader.key_sets_of_application(id).await?;
        sets.retain(|set| {
            breaks && set.suspended_by.is_none() && set.living(now).any(|key| key.schedule.is_some())
        });
        let keys: Vec<_> = sets.iter().flat_map(|set| &set.keys).map(|key| key.id.to_string()).collect();
        let last_used = reader.last_used(&keys).await?.into_values().map(|used| used.at).max();
        let filter = UsageFilter { application_ids: vec![id], ..UsageFilter::default() };
        let calls = reader.calls_passed(now.plus_seconds(-DAY_SECONDS), &filter).await?;
        let broken = sets.iter().map(|set| Named { id: set.id.to_string(), name: set.name.to_string() });
        Ok(Impact::new(calls, last_used, broken.collect()))
    }
}

impl Write<'_, '_> {
    async fn application_create(&mut self, body: &wire::Create) -> Result<wire::Application, Error> {
        let mut fields = Fields::new();
        let group = self.group_named("/group_id", body.group_id.as_deref()).await?;
        self.authority.require_act(Permission::ApplicationsCreate, &group.place())?;
        let name = fields.name("/name", &body.name);
        let name = fields.finish_with(name)?;
        let application_id = self.fresh_id();
        let (organization_id, group_id) = (group.organization_id, group.id);
        let event = EventBody::ApplicationCreated { application_id, organization_id, group_id, name };
        self.append(group.place(), event).await?;
        Ok((&self.application(application_id).await?).into())
    }

    pub(crate) async fn application(&mut self, id: ApplicationId) -> Result<Application, Error> {
        Ok(self.tx.application(id).await?.ok_or(Refusal::NotFound)?)
    }

    /// The Application, if the actor may see it and do `act` to it.
    async fn application_to(&mut self, id: ApplicationId, act: Permission) -> Result<Application, Error> {
        let application = self.application(id).await?;
        self.require(Permission::ApplicationsRead, act, &application.place())?;
        Ok(application)
    }

    async fn application_suspend(
        &mut self,
        id: ApplicationId,
        body: &Act,
        purse: &Purse,
    ) -> Result<wire::Application, Error> {
        let present = self.application_to(id, Permission::ApplicationsSuspend).await?;
        self.check_if_match(&wire::Application::from(&present))?;
        if present.status == ApplicationStatus::Suspended && self.is_cascade_waiting(id).await? {
            self.tx.wake_nodes();
            return Ok((&present).into());
        }
        let sets = self.settled_sets(id, purse).await?;
        let events = present.suspend(&sets, self.now)?;
        self.cascade(&present, &sets, body.reason.as_deref(), events).await?;
        Ok((&self.application(id).await?).into())
    }

    async fn application_activate(
        &mut self,
        id: ApplicationId,
        body: &wire::Activate,
        purse: &Purse,
    ) -> Result<wire::Activated, Error> {
        let present = self.application_to(id, Permission::ApplicationsActivate).await?;
        self.check_if_match(&wire::Application::from(&present))?;
        let returning = match body.key_sets.unwrap_or_default() {
            wire::Returning::Cascaded => Return::Cascaded,
            wire::Returning::All => Return::All,
        };
        let sets = self.settled_sets(id, purse).await?;
        let activation = present.activate(&sets, returning, self.now)?;
        self.cascade(&present, &sets, body.reason.as_deref(), activation.events).await?;
        Ok(wire::Activated {
            application: (&self.application(id).await?).into(),
            activated: named(&sets, &activation.activated),
            left_suspended: named(&sets, &activation.left_suspended),
        })
    }

    /// The Application's sets with all that the clock demanded done.
    async fn settled_sets(&mut self, id: ApplicationId, purse: &Purse) -> Result<Vec<KeySet>, Error> {
        let mut hand = purse.hand();
        let mut sets = Vec::new();
        for set in self.tx.key_sets_of_application(id).await? {
            sets.push(self.settle(set, &mut hand, purse).await?);
        }
        Ok(sets)
    }

    /// Whether some node has not confirmed the last change of the Application or of one of its sets.
    async fn is_cascade_waiting(&mut self, id: ApplicationId) -> Result<bool, Error> {
        let fleet = Fleet::read(self.service, self.tx, self.now).await?;
        let sets = self.tx.key_sets_of_application(id).await?;
        let subjects = std::iter::once(id.to_string()).chain(sets.iter().map(|set| set.id.to_string()));
        for subject in subjects {
            let change = self.tx.last_change_of(&subject).await?;
            if change.is_some_and(|(position, _)| fleet.is_waiting(position)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends the events of an Application and of its Key Sets, each where its subject stands.
    async fn cascade(
        &mut self,
        application: &Application,
        sets: &[KeySet],
        reason: Option<&str>,
        events: Vec<EventBody>,
    ) -> Result<(), Error> {
        let reason = self.reason(reason)?;
        for event in events {
            let set = sets.iter().find(|set| event.subject() == set.id.into());
            let place = set.map_or_else(|| application.place(), KeySet::place);
            self.append_all(place, reason.as_ref(), [event]).await?;
        }
        Ok(())
    }
}

fn named(sets: &[KeySet], ids: &[KeySetId]) -> Vec<Named> {
    let chosen = sets.iter().filter(|set| ids.contains(&set.id));
    chosen.map(|set| Named { id: set.id.to_string(), name: set.name.to_string() }).collect()
}
