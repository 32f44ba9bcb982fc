//! The filters of Workspace > Keys (product.md D5; surface.md, "/v1/key-sets").

use claviger_domain::time::Timestamp;
use claviger_store::{KeySetFilter, KeySetSort, ListQuery, Reader, Visible};

use crate::apis::api_ids;
use crate::environments::environment_ids;
use crate::error::Error;
use crate::lists::{ListParameters, Parameters};
use crate::request::Request;
use crate::state::Service;

/// What the list is sorted by, the default first.
const SORTS: &[(&str, KeySetSort)] = &[
    ("created_at", KeySetSort::CreatedAt),
    ("name", KeySetSort::Name),
    ("provisioned_at", KeySetSort::ProvisionedAt),
    ("rotation_due_at", KeySetSort::RotationDueAt),
    ("expires_at", KeySetSort::ExpiresAt),
    ("revoked_at", KeySetSort::RevokedAt),
];

pub(super) async fn query(
    service: &Service,
    request: &Request,
    reader: &mut Reader,
    given: &ListParameters,
    visible: Visible,
    now: Timestamp,
) -> Result<ListQuery<KeySetFilter, KeySetSort>, Error> {
    let mut parameters = Parameters::new(given)?;
    let filter = KeySetFilter {
        statuses: parameters.words("status")?,
        auth_types: parameters.words("auth_type")?,
        api_ids: api_ids(reader, &parameters.many("api_id")).await?,
        application_ids: parameters.all("application_id")?,
        environment_ids: environment_ids(reader, &parameters.many("environment_id")).await?,
        organization_ids: parameters.all("organization_id")?,
        group_ids: parameters.all("group_id")?,
        policy_template_ids: parameters.all("policy_template_id")?,
        q: parameters.text("q")?,
        created: parameters.between("created_after", "created_before")?,
        provisioned: parameters.between("provisioned_after", "provisioned_before")?,
        rotation_due: parameters.between("rotation_due_after", "rotation_due_before")?,
        expires: parameters.between("expires_after", "expires_before")?,
        revoked: parameters.between("revoked_after", "revoked_before")?,
        last_used: parameters.between("last_used_after", "last_used_before")?,
        ..KeySetFilter::at(now)
    };
    parameters.finish(service, request, SORTS, filter, visible)
}
