//! Answers that are problems. A handler or an extractor gives a [`Refused`]; the frame around all routes
//! adds the request's id and writes the body, so that every error of this face has one form.

use axum::response::{IntoResponse, Response};
use claviger_domain::refusal::Refusal;
use claviger_service::{Error, SignIn, Unavailable};
use claviger_wire::{FieldProblem, Problem};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

/// Seconds after which something that is away is worth another try.
const SOON: u64 = 1;

/// A request that was not done, and what to tell about it.
#[derive(Debug)]
pub(crate) struct Refused {
    problem: Box<Problem>,
    header: Option<(HeaderName, HeaderValue)>,
    /// What happened inside, for the log alone.
    fault: Option<String>,
}

/// The problem on its way to the frame.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) problem: Box<Problem>,
    pub(crate) fault: Option<String>,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        let problem = Box::new(Problem::new(status.as_u16(), title, code, detail));
        Self { problem, header: None, fault: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing here, or you may not see it.")
    }

    pub(crate) fn bad_query(parameter: impl Into<String>, detail: &str) -> Self {
        let parameter = parameter.into();
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_query",
            format!("The query parameter `{parameter}` {detail}."),
        )
        .with(|problem| problem.parameter = Some(parameter))
    }

    pub(crate) fn bad_header(name: &str, detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_header", format!("The header `{name}` {detail}."))
            .with(|problem| problem.parameter = Some(name.to_owned()))
    }

    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.pointer.is_empty() => format!("The body {}.", only.detail),
            [only] => format!("{} {}.", only.pointer, only.detail),
            all => format!("{} values can't be taken; `errors` names each.", all.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with(|problem| problem.errors = errors)
    }

    /// The stable code of the problem.
    pub(crate) fn code(&self) -> &str {
        &self.problem.code
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Problem)) -> Self {
        change(&mut self.problem);
        self
    }

    pub(crate) fn because(mut self, fault: String) -> Self {
        self.fault = Some(fault);
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Worth another try soon.
    pub(crate) fn soon(self) -> Self {
        self.retry_after(SOON)
    }

    fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl Refused {
    /// An answer whose body the frame writes.
    pub(crate) fn respond<B: Default>(self) -> http::Response<B> {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = http::Response::new(B::default());
        *response.status_mut() = status;
        response.headers_mut().extend(self.header);
        response.extensions_mut().insert(Told { problem: self.problem, fault: self.fault });
        response
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.respond()
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::SignIn(sign_in) => sign_in.into(),
            Error::Unavailable(away) => away.into(),
            Error::BadQuery { parameter, detail } => Self::bad_query(parameter, &detail),
            Error::Internal(fault) => Self::internal().because(fault),
        }
    }
}

impl Refused {
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side; the server's log tells more under this request's id.",
        )
    }
}

impl From<SignIn> for Refused {
    fn from(sign_in: SignIn) -> Self {
        let (status, code, detail) = match sign_in {
            SignIn::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Give a service key as `Authorization: Bearer clv_svc_…` or `X-API-Key`.",
            ),
            SignIn::Inactive => (StatusCode::UNAUTHORIZED, "inactive", "The service key is not active."),
            SignIn::Expired => (StatusCode::UNAUTHORIZED, "expired", "The service key has expired."),
            SignIn::IpDenied => {
                (StatusCode::FORBIDDEN, "ip_denied", "The service key is not good from this address.")
            }
        };
        let refused = Self::new(status, code, detail);
        if status == StatusCode::UNAUTHORIZED { refused.challenge() } else { refused }
    }
}

impl Refused {
    pub(crate) fn challenge(self) -> Self {
        self.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"claviger\""))
    }
}

impl From<Unavailable> for Refused {
    fn from(away: Unavailable) -> Self {
        let (code, detail) = match away {
            Unavailable::Keeper => ("keeper_unavailable", "The keeper is away; it is being started again."),
            Unavailable::Database => ("database_unavailable", "The database can't be reached."),
            Unavailable::Behind => ("behind", "This node has not yet reached that position of the log."),
            Unavailable::NotInitialised => {
                ("not_initialised", "The database is not initialised; run `claviger init`.")
            }
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(SOON)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let refused = Self::new(status(&refusal), refusal.code(), sentence(&refusal));
        match refusal {
            Refusal::NotFound => Self::not_found(),
            Refusal::Forbidden { missing } => refused.with(|p| p.permission = Some(missing.to_string())),
            Refusal::AccessTooLow { needs } => refused.with(|p| p.level = Some(needs.as_str().to_owned())),
            Refusal::Invalid(errors) => Self::invalid(errors.into_iter().map(Into::into).collect()),
            Refusal::LooksLikeASecret { pointer } => {
                refused.field(pointer, "holds a credential; leave credentials out of texts")
            }
            Refusal::NameTaken { pointer } => refused.field(pointer, "is taken; choose another"),
            Refusal::InvalidTransition { from, act, allowed } => refused.with(|p| {
                p.from = Some(from.to_owned());
                p.act = Some(act.to_owned());
                p.allowed = Some(allowed.into_iter().map(str::to_owned).collect());
            }),
            Refusal::Superseded { by } => refused.with(|p| p.superseded_by = Some(by)),
            Refusal::AlreadySubscribed { subscription_id } => {
                refused.with(|p| p.subscription_id = Some(subscription_id))
            }
            Refusal::InUse { users } => {
                refused.with(|p| p.users = Some(users.into_iter().map(Into::into).collect()))
            }
            Refusal::LimitReached { limit } => refused.with(|p| p.limit = Some(limit)),
            Refusal::TooManyReveals { retry_after_seconds }
            | Refusal::TooManyRequests { retry_after_seconds } => refused.retry_after(retry_after_seconds),
            Refusal::CredentialExpired { .. } => refused.challenge(),
            Refusal::NotAllowedByPolicy
            | Refusal::ApplicationSuspended
            | Refusal::AlreadyShown
            | Refusal::SetThroughPortal
            | Refusal::ApiNotExposed
            | Refusal::Conflict
            | Refusal::PreconditionFailed
            | Refusal::LastOwner
            | Refusal::LastAdmin
            | Refusal::NotForThisUse { .. }
            | Refusal::AlreadyInitialised => refused,
        }
    }
}

impl Refused {
    fn field(self, pointer: String, detail: &str) -> Self {
        self.with(|problem| problem.errors = vec![FieldProblem { pointer, detail: detail.to_owned() }])
    }
}

const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::Forbidden { .. } | Refusal::AccessTooLow { .. } => StatusCode::FORBIDDEN,
        Refusal::Invalid(_) | Refusal::LooksLikeASecret { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Refusal::TooManyReveals { .. } | Refusal::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::CredentialExpired { .. } => StatusCode::UNAUTHORIZED,
        Refusal::InvalidTransition { .. }
        | Refusal::NotAllowedByPolicy
        | Refusal::ApplicationSuspended
        | Refusal::Superseded { .. }
        | Refusal::AlreadyShown
        | Refusal::SetThroughPortal
        | Refusal::ApiNotExposed
        | Refusal::AlreadySubscribed { .. }
        | Refusal::NameTaken { .. }
        | Refusal::InUse { .. }
        | Refusal::LimitReached { .. }
        | Refusal::Conflict
        | Refusal::LastOwner
        | Refusal::LastAdmin
        | Refusal::NotForThisUse { .. }
        | Refusal::AlreadyInitialised => StatusCode::CONFLICT,
    }
}

/// What to tell people; programs read the code.
fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Forbidden { missing } => format!("This needs the permission `{missing}` here."),
        Refusal::AccessTooLow { needs } => {
            format!("This needs `{}` access to it; an admin of it can give that.", needs.as_str())
        }
        Refusal::NotForThisUse { wanted, uses } => {
            format!(
                "It was made for {} and not for {wanted}; make another pair for that.",
                uses.join(" and ")
            )
        }
        Refusal::InvalidTransition { from, act, allowed } if allowed.is_empty() => {
            format!("`{act}` is not allowed while it is {from}, nor is any other act.")
        }
        Refusal::InvalidTransition { from, act, allowed } => {
            format!("`{act}` is not allowed while it is {from}; allowed: {}.", allowed.join(", "))
        }
        Refusal::LimitReached { limit } => format!("There may be {limit} at most."),
        Refusal::TooManyReveals { retry_after_seconds: seconds } => {
            format!("The keeper opens no more for now; try again in {seconds} s.")
        }
        Refusal::TooManyRequests { retry_after_seconds: seconds } => {
            format!("Too many requests of this kind; try again in {seconds} s.")
        }
        Refusal::CredentialExpired { at } => format!("The service key expired at {at}."),
        other => fixed_sentence(other).to_owned(),
    }
}

const fn fixed_sentence(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::LooksLikeASecret { .. } => "A text holds a credential; leave credentials out of texts.",
        Refusal::NotAllowedByPolicy => "The policy does not allow this.",
        Refusal::ApplicationSuspended => "The Application is suspended; activate it first.",
        Refusal::Superseded { .. } => "Another living Key Set took this one's place.",
        Refusal::AlreadyShown => "The value was shown already and is kept no more.",
        Refusal::SetThroughPortal => {
            "An outside key's secret is set and reset through its portal link alone; clear it to let it be set anew."
        }
        Refusal::ApiNotExposed => "The API is not exposed.",
        Refusal::AlreadySubscribed { .. } => {
            "There is a Subscription to this API in this Environment already."
        }
        Refusal::NameTaken { .. } => "The name is taken.",
        Refusal::InUse { .. } => "It is in use; `users` lists by what.",
        Refusal::Conflict => "Somebody else was faster; read again and decide anew.",
        Refusal::PreconditionFailed => "It has changed since you read it.",
        Refusal::LastOwner => "The last owner can't be removed.",
        Refusal::LastAdmin => "One admin must remain; make somebody else admin of it first.",
        Refusal::AlreadyInitialised => "The database is initialised already.",
        _ => "It was not done.",
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::permission::Permission;

    use super::*;

    #[test]
    fn each_refusal_has_its_status_and_its_members() {
        let shown = |error: Error| {
            let refused = Refused::from(error);
            let header = refused.header.map(|(name, _)| name);
            (refused.problem.status, *refused.problem, header)
        };
        let (status, problem, _) = shown(Error::forbidden(Permission::KeySetsRevoke));
        assert_eq!((status, problem.permission.as_deref()), (403, Some("key_sets:revoke")));
        let transition =
            Refusal::InvalidTransition { from: "revoked", act: "suspend", allowed: vec!["issue"] };
        let (status, problem, _) = shown(transition.into());
        assert_eq!((status, problem.code.as_str()), (409, "invalid_transition"));
        assert_eq!(problem.allowed, Some(vec!["issue".to_owned()]));
        let (status, problem, _) = shown(Refusal::invalid("/name", "must be 1 to 100 characters").into());
        assert_eq!((status, problem.detail.as_str()), (422, "/name must be 1 to 100 characters."));
        let (status, _, header) = shown(Error::SignIn(SignIn::Inactive));
        assert_eq!((status, header), (401, Some(WWW_AUTHENTICATE)));
        let (status, _, header) = shown(Error::Unavailable(Unavailable::Keeper));
        assert_eq!((status, header), (503, Some(RETRY_AFTER)));
        let (status, problem, _) = shown(Error::internal("the password is swordfish"));
        assert_eq!(status, 500);
        assert!(!format!("{problem:?}").contains("swordfish"));
    }
}
