//! The names of things that other objects are shown with, each looked up once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use claviger_domain::apis::Api;
use claviger_domain::environments::Environment;
use claviger_domain::id::{ApiId, ApplicationId, EnvironmentId, OrganizationId};
use claviger_store::Reader;
use claviger_wire::environments::EnvironmentRef;
use claviger_wire::scope::Named;
use claviger_wire::subscriptions::ApiRef;

use crate::error::Error;

/// Names looked up so far. Things that were deleted keep theirs.
#[derive(Debug, Default)]
pub(crate) struct Names {
    organizations: HashMap<OrganizationId, Named>,
    applications: HashMap<ApplicationId, Named>,
    apis: HashMap<ApiId, Option<Api>>,
    environments: Option<Vec<Environment>>,
}

impl Names {
    /// Looks up all that a page needs, in a query for each kind of thing.
    pub(crate) async fn learn(
        &mut self,
        reader: &mut Reader,
        organizations: BTreeSet<OrganizationId>,
        applications: BTreeSet<ApplicationId>,
        apis: BTreeSet<ApiId>,
    ) -> Result<(), Error> {
        let ids: Vec<_> = organizations.into_iter().collect();
        for (id, name) in reader.organization_names(&ids).await? {
            self.organizations.insert(id, Named { id: id.to_string(), name: name.to_string() });
        }
        let ids: Vec<_> = applications.into_iter().collect();
        for (id, name) in reader.application_names(&ids).await? {
            self.applications.insert(id, Named { id: id.to_string(), name: name.to_string() });
        }
        let ids: Vec<_> = apis.into_iter().collect();
        for api in reader.apis_even_deleted(&ids).await? {
            self.apis.insert(api.id, Some(api));
        }
        Ok(())
    }

    pub(crate) async fn organization(
        &mut self,
        reader: &mut Reader,
        id: OrganizationId,
    ) -> Result<Named, Error> {
        if let Some(named) = self.organizations.get(&id) {
            return Ok(named.clone());
        }
        let name = reader.organization_name(id).await?.map_or_else(String::new, |name| name.to_string());
        let named = Named { id: id.to_string(), name };
        self.organizations.insert(id, named.clone());
        Ok(named)
    }

    pub(crate) async fn application(
        &mut self,
        reader: &mut Reader,
        id: ApplicationId,
    ) -> Result<Named, Error> {
        if let Some(named) = self.applications.get(&id) {
            return Ok(named.clone());
        }
        let name = reader.application_name(id).await?.map_or_else(String::new, |name| name.to_string());
        let named = Named { id: id.to_string(), name };
        self.applications.insert(id, named.clone());
        Ok(named)
    }

    /// The API, also one that was deleted.
    pub(crate) async fn api(&mut self, reader: &mut Reader, id: ApiId) -> Result<Option<&Api>, Error> {
        if let Entry::Vacant(vacant) = self.apis.entry(id) {
            vacant.insert(reader.api_even_deleted(id).await?);
        }
        Ok(self.apis.get(&id).and_then(Option::as_ref))
    }

    pub(crate) async fn api_ref(&mut self, reader: &mut Reader, id: ApiId) -> Result<ApiRef, Error> {
        let api = self.api(reader, id).await?;
        let (slug, name) =
            api.map(|api| (api.slug.to_string(), api.settings.name.to_string())).unwrap_or_default();
        Ok(ApiRef { id: id.to_string(), slug, name })
    }

    pub(crate) async fn environments(&mut self, reader: &mut Reader) -> Result<&[Environment], Error> {
        if self.environments.is_none() {
            self.environments = Some(reader.all_environments().await?);
        }
        Ok(self.environments.as_deref().unwrap_or_default())
    }

    pub(crate) async fn environment(
        &mut self,
        reader: &mut Reader,
        id: EnvironmentId,
    ) -> Result<EnvironmentRef, Error> {
        let found = self.environments(reader).await?.iter().find(|environment| environment.id == id);
        Ok(found
            .map_or_else(|| EnvironmentRef { id: id.to_string(), slug: String::new() }, EnvironmentRef::from))
    }
}
