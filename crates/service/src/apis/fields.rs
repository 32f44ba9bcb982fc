//! Reading an API's settings as people typed them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use claviger_domain::apis::{
    ApiPermission, ApiSettings, Cors, CredentialHeaders, HeaderName, HeaderPreset, Requires, Upstream,
    Visibility,
};
use claviger_domain::environments::Environment;
use claviger_domain::id::{EnvironmentId, PolicyTemplateId};
use claviger_domain::text::Name;
use claviger_wire::apis as wire;

use crate::fields::Fields;
use crate::policy_templates::{quota, rate_limit};

/// So many upstreams, in all and for each Environment.
const MAX_UPSTREAMS: usize = 20;
/// So many permissions of its own, and so many origins.
const MAX_WORDS: usize = 100;
/// The longest that browsers keep the answer to a preflight.
const MAX_AGE_SECONDS: i64 = 86_400;

/// What the reading must know besides the body.
pub(super) struct Known<'a> {
    /// All Environments of the instance.
    pub(super) environments: &'a [Environment],
    /// Where Claviger itself listens.
    pub(super) own_listeners: &'a [SocketAddr],
}

/// A new API's settings. The policy template is looked up by the caller.
pub(super) fn created(
    fields: &mut Fields,
    body: &wire::Create,
    known: &Known<'_>,
    policy_template_id: PolicyTemplateId,
) -> Option<ApiSettings> {
    let name = fields.name("/name", &body.name);
    let mut settings = ApiSettings {
        // Stands in until all fields are read; refused below if the name is wrong.
        name: name.clone().or_else(|| Name::new("API").ok())?,
        version: None,
        description: None,
        upstreams: Vec::new(),
        environment_upstreams: BTreeMap::new(),
        environment_ids: known.environments.iter().map(|environment| environment.id).collect(),
        auth_types: BTreeSet::new(),
        requires: Requires::from(body.requires),
        credential_headers: CredentialHeaders::Preset(HeaderPreset::Standard),
        permissions: Vec::new(),
        policy_template_id,
        rate_limit: None,
        quota: None,
        cors: None,
        ip_allow_list: None,
        visibility: Visibility::Organization,
    };
    let change = wire::Update {
        name: None,
        version: Some(body.version.clone()),
        description: Some(body.description.clone()),
        upstreams: Some(body.upstreams.clone()),
        environment_upstreams: body.environment_upstreams.clone(),
        environments: body.environments.clone(),
        auth_types: Some(body.auth_types.clone()),
        requires: Some(body.requires),
        credential_headers: body.credential_headers.clone(),
        permissions: body.permissions.clone(),
        policy_template_id: None,
        rate_limit: Some(body.rate_limit),
        quota: Some(body.quota),
        cors: Some(body.cors.clone()),
        ip_allow_list: Some(body.ip_allow_list.clone()),
        visibility: body.visibility,
    };
    changed(fields, &mut settings, &change, known);
    name.map(|_| settings)
}

/// Puts what the body names into `settings`; the policy template is looked up by the caller.
pub(super) fn changed(
    fields: &mut Fields,
    settings: &mut ApiSettings,
    body: &wire::Update,
    known: &Known<'_>,
) {
    if let Some(name) = body.name.as_deref().and_then(|name| fields.name("/name", name)) {
        settings.name = name;
    }
    if let Some(version) = &body.version {
        settings.version = version.as_deref().and_then(|version| fields.name("/version", version));
    }
    if let Some(description) = &body.description {
        settings.description = fields.note("/description", description.as_deref());
    }
    if let Some(texts) = &body.environments {
        settings.environment_ids = environments(fields, texts, known);
    }
    addresses(fields, settings, body, known);
    if let Some(auth_types) = &body.auth_types {
        if auth_types.is_empty() {
            fields.wrong("/auth_types", "must name at least one auth type");
        }
        settings.auth_types = auth_types.iter().map(|auth_type| (*auth_type).into()).collect();
    }
    settings.requires = body.requires.map_or(settings.requires, Into::into);
    settings.visibility = body.visibility.map_or(settings.visibility, Into::into);
    if let Some(headers) = body.credential_headers.as_ref().and_then(|typed| headers(fields, typed)) {
        settings.credential_headers = headers;
    }
    if let Some(texts) = &body.permissions {
        settings.permissions = permissions(fields, texts);
    }
    if let Some(limit) = body.rate_limit {
        settings.rate_limit = limit.and_then(|limit| rate_limit(fields, "/rate_limit", &limit));
    }
    if let Some(typed) = body.quota {
        settings.quota = typed.and_then(|typed| quota(fields, "/quota", &typed));
    }
    if let Some(typed) = &body.cors {
        settings.cors = typed.as_ref().and_then(|typed| cors(fields, typed));
    }
    if let Some(list) = &body.ip_allow_list {
        settings.ip_allow_list = fields.address_list("/ip_allow_list", list.as_deref());
    }
}

fn addresses(fields: &mut Fields, settings: &mut ApiSettings, body: &wire::Update, known: &Known<'_>) {
    if let Some(texts) = &body.upstreams {
        settings.upstreams = upstreams(fields, "/upstreams", texts, known);
    }
    if let Some(by_environment) = &body.environment_upstreams {
        settings.environment_upstreams.clear();
        for (text, texts) in by_environment {
            let pointer = format!("/environment_upstreams/{}", escaped(text));
            if let Some(id) = environment(fields, &pointer, text, known) {
                let upstreams = upstreams(fields, &pointer, texts, known);
                settings.environment_upstreams.insert(id, upstreams);
            }
        }
    }
}

fn upstreams(fields: &mut Fields, pointer: &str, texts: &[String], known: &Known<'_>) -> Vec<Upstream> {
    if texts.is_empty() || texts.len() > MAX_UPSTREAMS {
        fields.wrong(pointer, format!("must be a list of 1 to {MAX_UPSTREAMS} addresses"));
    }
    let mut upstreams = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        let Some(upstream) = fields.take(&pointer, Upstream::new(text)) else { continue };
        if known.own_listeners.iter().any(|listener| leads_to(&upstream, listener)) {
            fields.wrong(&pointer, "is an address on which Claviger itself listens");
        } else {
            upstreams.push(upstream);
        }
    }
    upstreams
}

/// Whether the upstream's address is the listener, as far as its text says. Names are resolved, and
/// checked again, at each connect.
fn leads_to(upstream: &Upstream, listener: &SocketAddr) -> bool {
    let text = upstream.as_str();
    let secure = text.starts_with("https://");
    let authority = text.split('/').nth(2).unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(0)),
        _ => (authority, if secure { 443 } else { 80 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    let same_host = match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => {
            address == listener.ip().to_canonical()
                || (listener.ip().is_unspecified() && address.is_loopback())
        }
        Err(_) => {
            let local = listener.ip().is_loopback() || listener.ip().is_unspecified();
            local
                && (host.eq_ignore_ascii_case("localhost")
                    || host.to_ascii_lowercase().ends_with(".localhost"))
        }
    };
    same_host && port == listener.port()
}

fn environments(fields: &mut Fields, texts: &[String], known: &Known<'_>) -> BTreeSet<EnvironmentId> {
    if texts.is_empty() {
        fields.wrong("/environments", "must name at least one Environment");
    }
    let named = texts.iter().enumerate();
    named.filter_map(|(at, text)| environment(fields, &format!("/environments/{at}"), text, known)).collect()
}

/// An Environment by slug or id.
fn environment(fields: &mut Fields, pointer: &str, text: &str, known: &Known<'_>) -> Option<EnvironmentId> {
    let found = known
        .environments
        .iter()
        .find(|environment| environment.slug.as_str() == text || environment.id.to_string() == text);
    fields.take(pointer, found.map(|environment| environment.id).ok_or("there is no such Environment"))
}

fn headers(fields: &mut Fields, typed: &wire::CredentialHeaders) -> Option<CredentialHeaders> {
    match (typed.preset, &typed.key, &typed.secret) {
        (Some(preset), None, None) => Some(CredentialHeaders::Preset(preset.into())),
        (None, Some(key), Some(secret)) => {
            let key = fields.take("/credential_headers/key", HeaderName::new(key));
            let secret = fields.take("/credential_headers/secret", HeaderName::new(secret));
            let (key, secret) = (key?, secret?);
            if key == secret {
                fields.wrong("/credential_headers/secret", "must be another header than that of the key");
            }
            Some(CredentialHeaders::Own { key, secret })
        }
        _ => {
            fields.wrong("/credential_headers", "must have either preset, or both key and secret");
            None
        }
    }
}

fn permissions(fields: &mut Fields, texts: &[String]) -> Vec<ApiPermission> {
    if texts.len() > MAX_WORDS {
        fields.wrong("/permissions", format!("must be at most {MAX_WORDS}"));
    }
    let mut permissions: Vec<ApiPermission> = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let pointer = format!("/permissions/{at}");
        match fields.take(&pointer, ApiPermission::new(text)) {
            Some(permission) if permissions.contains(&permission) => fields.wrong(&pointer, "is named twice"),
            Some(permission) => permissions.push(permission),
            None => {}
        }
    }
    permissions
}

fn cors(fields: &mut Fields, typed: &wire::Cors) -> Option<Cors> {
    if typed.origins.is_empty() || typed.origins.len() > MAX_WORDS {
        fields.wrong("/cors/origins", format!("must be a list of 1 to {MAX_WORDS} origins"));
    }
    for (at, origin) in typed.origins.iter().enumerate() {
        if origin != "*" && !is_origin(origin) {
            let detail = "must be * or an origin such as https://app.example.com";
            fields.wrong(&format!("/cors/origins/{at}"), detail);
        }
    }
    if typed.credentials && typed.origins.iter().any(|origin| origin == "*") {
        fields.wrong("/cors/credentials", "can't be allowed to every origin; name the origins");
    }
    let max_age_seconds = match typed.max_age_seconds {
        None => None,
        Some(seconds) => {
            let fits = u32::try_from(seconds).ok().filter(|_| seconds <= MAX_AGE_SECONDS);
            Some(fields.take("/cors/max_age_seconds", fits.ok_or("must be 0 to 86400"))?)
        }
    };
    Some(Cors { origins: typed.origins.clone(), credentials: typed.credentials, max_age_seconds })
}

/// Scheme, host, perhaps a port, and nothing more (RFC 6454).
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == text.to_ascii_lowercase()
        && rest.is_some_and(|rest| !rest.contains('/') && Upstream::new(text).is_ok())
}

/// A member's name as a part of a pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claviger_is_no_upstream_of_its_own() {
        let listener = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let leads = |upstream: &str, to: &str| {
            leads_to(&Upstream::new(upstream).expect("an upstream"), &listener(to))
        };
        for (upstream, to) in [
            ("http://127.0.0.1:7700", "127.0.0.1:7700"),
            ("http://127.0.0.1:7700/v1", "0.0.0.0:7700"),
            ("http://localhost:7700/", "127.0.0.1:7700"),
            ("http://x.localhost:7700/", "[::1]:7700"),
            ("http://[::1]:7701", "[::]:7701"),
            ("http://[::ffff:127.0.0.1]:7700", "127.0.0.1:7700"),
            ("http://10.0.0.1", "10.0.0.1:80"),
            ("https://[2001:db8::1]/", "[2001:db8::1]:443"),
        ] {
            assert!(leads(upstream, to), "{upstream} {to}");
        }
        for (upstream, to) in [
            ("http://127.0.0.1:7703", "127.0.0.1:7700"),
            ("http://10.0.0.1:7700", "127.0.0.1:7700"),
            ("http://orders.internal:7700", "127.0.0.1:7700"),
            ("https://10.0.0.1", "10.0.0.1:80"),
        ] {
            assert!(!leads(upstream, to), "{upstream} {to}");
        }
    }

    #[test]
    fn origins() {
        for right in ["https://app.example.com", "http://localhost:3000"] {
            assert!(is_origin(right), "{right}");
        }
        for wrong in ["app.example.com", "https://a/", "https://a/b", "https://A.com", "null", "ftp://a"] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
