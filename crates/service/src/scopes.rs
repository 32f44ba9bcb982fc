//! Scopes as bodies name them: each part must exist and be visible, and a Group brings its Organization.

use claviger_domain::refusal::Refusal;
use claviger_domain::scope::{Place, Scope};
use claviger_wire::scope as wire;

use crate::environments;
use crate::error::Error;
use crate::write::Write;

/// The scope that a body names at `pointer`, or `left_out`.
pub(crate) async fn named(
    write: &mut Write<'_, '_>,
    pointer: &str,
    scope: Option<&wire::Scope>,
    left_out: Scope,
) -> Result<Scope, Error> {
    let Some(scope) = scope else { return Ok(left_out) };
    let mut named = Scope::EVERYTHING;
    if let Some(text) = scope.organization_id.as_deref() {
        let at = format!("{pointer}/organization_id");
        named.organization_id = Some(write.organization_at(&at, text).await?);
    }
    if let Some(text) = scope.group_id.as_deref() {
        let at = format!("{pointer}/group_id");
        let group = write.group_named(&at, Some(text)).await?;
        if named.organization_id.is_some_and(|organization| organization != group.organization_id) {
            return Err(Refusal::invalid(at, "is a Group of another Organization").into());
        }
        named = Scope { organization_id: Some(group.organization_id), group_id: Some(group.id), ..named };
    }
    if let Some(text) = scope.environment_id.as_deref() {
        let unknown =
            || Refusal::invalid(format!("{pointer}/environment_id"), "there is no Environment with this id");
        let environment = environments::by_id_or_slug(write.tx, text).await?;
        let seen = environment.filter(|environment| write.authority.sees_environment(environment.id));
        named.environment_id = Some(seen.ok_or_else(unknown)?.id);
    }
    Ok(named)
}

/// Where the giving of a right at a scope stands: the scope itself, seen as a place.
pub(crate) const fn place_of(scope: &Scope) -> Place {
    Place {
        organization_id: scope.organization_id,
        group_id: scope.group_id,
        environment_id: scope.environment_id,
    }
}
