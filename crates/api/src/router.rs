//! All routes together, under one frame.

use axum::Router;
use claviger_service::Service;
use claviger_service::ambient::Entropy;
use http::StatusCode;
use serde_json::Value;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Options};
use crate::frame::Frame;
use crate::openapi::{self, Base};
use crate::refused::Refused;
use crate::{
    api_documents, apis, applications, docs, environments, events, git_integrations, groups, health, jobs,
    key_pairs, key_sets, members, nodes, organizations, permission_groups, policy_templates, portal,
    service_keys, shared_keys, subscriptions, usage, verify,
};

/// What the handlers of `service` share, and all of them under `frame`.
pub(crate) fn of(service: Service, options: Options, frame: &Frame) -> (App, Router) {
    let (routes, base) = routes().split_for_parts();
    let document = openapi::complete(serde_json::to_value(&base).unwrap_or_default(), options.prefix());
    let app = App::new(service, options, &document);
    let router = routes
        .merge(docs::routes())
        .fallback(|| async { Refused::not_found() })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .layer(frame.clone())
        .with_state(app.clone());
    (app, router)
}

/// Other routes in the same frame, for those who measure what the frame itself costs.
pub fn in_frame(routes: Router, entropy: &dyn Entropy) -> Router {
    routes.layer(Frame::new(entropy, String::new()))
}

/// The OpenAPI document, for those who publish or check it.
pub fn document() -> Value {
    let (_, base) = routes().split_for_parts();
    openapi::complete(serde_json::to_value(&base).unwrap_or_default(), "")
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Base::openapi())
        .merge(health::routes())
        .merge(organizations::routes())
        .merge(groups::routes())
        .merge(members::routes())
        .merge(environments::routes())
        .merge(permission_groups::routes())
        .merge(service_keys::routes())
        .merge(apis::routes())
        .merge(git_integrations::routes())
        .merge(api_documents::routes())
        .merge(jobs::routes())
        .merge(shared_keys::routes())
        .merge(portal::routes())
        .merge(applications::routes())
        .merge(subscriptions::routes())
        .merge(policy_templates::routes())
        .merge(key_pairs::routes())
        .merge(key_sets::routes())
        .merge(verify::routes())
        .merge(events::routes())
        .merge(nodes::routes())
        .merge(usage::routes())
}

fn method_not_allowed() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path does not take that method; `Allow` lists those it takes.",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// utoipa lets the later of two types of one name win.
    #[test]
    fn no_two_types_share_a_name_in_the_document() {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for routes in [
            organizations::routes(),
            groups::routes(),
            members::routes(),
            environments::routes(),
            permission_groups::routes(),
            service_keys::routes(),
            apis::routes(),
            git_integrations::routes(),
            api_documents::routes(),
            jobs::routes(),
            shared_keys::routes(),
            portal::routes(),
            applications::routes(),
            subscriptions::routes(),
            policy_templates::routes(),
            key_pairs::routes(),
            key_sets::routes(),
            verify::routes(),
            events::routes(),
            nodes::routes(),
            usage::routes(),
        ] {
            for (name, schema) in routes.into_openapi().components.unwrap_or_default().schemas {
                let shape = serde_json::to_string(&schema).expect("serialises");
                let first = known.entry(name.clone()).or_insert_with(|| shape.clone());
                assert_eq!(*first, shape, "two types are called {name}");
            }
        }
        assert!(known.len() > 60, "{}", known.len());
    }
}
