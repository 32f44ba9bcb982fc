//! "May this call pass?", as programs with a service key ask it (product.md F; surface.md, "Deciding").
//! From memory alone: the asker is signed in by the control index, the question is decided by the index of
//! Keys, and nothing waits for a database; only a call whose rate or quota nodes count together waits for that.

use std::net::IpAddr;

use claviger_domain::decision::Code;
use claviger_domain::id::OrganizationId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use claviger_limits::Limiter;
use claviger_verify::{Allotment, Credential, Decision, NotAccepted, Request};
use claviger_wire::verify as wire;
use futures::future::{BoxFuture, Either, FutureExt as _, Ready, join_all, ready};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::error::{Error, SignIn, Unavailable};
use crate::fields::Fields;
use crate::state::Service;

/// How many questions a batch may hold.
const MAX_BATCH: usize = 1_000;
/// How many of them wait at a time for those who count limits together: in one go to them, and not too much for one.
const AT_ONCE: usize = 64;
const MAX_COST: i64 = 1_000_000_000;

/// A caller who may ask for decisions, and where.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    organization_id: OrganizationId,
    scope: Scope,
    /// Whether what is known of the caller may be believed.
    fresh: bool,
}

/// A decision on its way out: written from what the index holds, without a copy.
#[derive(Debug)]
pub struct Verdict {
    decision: Decision,
    /// What was asked of the API's own permissions.
    asked: Option<Vec<String>>,
    /// In how many seconds to try again: a limit binds, or the source that was told failed too often.
    retry_after_seconds: Option<u64>,
}

/// A verdict from memory, or one that others have to be asked for. Nearly all are of the first kind, which a server moves
/// about for less.
pub type Deciding = Either<Ready<Result<Verdict, Error>>, BoxFuture<'static, Result<Verdict, Error>>>;

/// One verdict for each question of a batch.
#[derive(Debug)]
pub struct Verdicts(Vec<Verdict>);

impl Service {
    /// Who presents this service key, if it may ask for decisions. When the log was not heard of for too
    /// long, whoever might then is answered as at every other door: that all is stale.
    pub fn verify_sign_in(&self, presented: &str, source: Option<IpAddr>) -> Result<Asker, Error> {
        let now = self.now();
        let caller = self.state.follower.control.authenticate(presented, source, now).map_err(|refused| {
            let error = match refused {
                NotAccepted::Unauthenticated => Error::SignIn(SignIn::Unauthenticated),
                NotAccepted::Inactive => Error::SignIn(SignIn::Inactive),
                NotAccepted::Expired => Error::SignIn(SignIn::Expired),
                NotAccepted::IpDenied => Error::SignIn(SignIn::IpDenied),
                // It may have become good since; whoever guesses is slowed all the same.
                NotAccepted::Stale => return self.slow(Error::Unavailable(Unavailable::Behind), source),
            };
            self.slowed(error, source)
        })?;
        if caller.fresh {
            self.state.follower.meters.signed_in(caller.id, source, now);
        }
        match (caller.holds(Permission::VerifyCall), caller.fresh) {
            (true, _) => {}
            (false, true) => return Err(Error::forbidden(Permission::VerifyCall)),
            // It may have been given the permission since.
            (false, false) => return Err(Error::Unavailable(Unavailable::Behind)),
        }
        Ok(Asker { organization_id: caller.organization_id, scope: caller.scope, fresh: caller.fresh })
    }

    /// Decides on one call.
    pub fn verify(&self, asker: &Asker, question: wire::Question) -> Deciding {
        let mut fields = Fields::new();
        let facts = Facts::read(&mut fields, &question);
        if let Err(error) = fields.finish() {
            return ready(Err(error.into())).left_future();
        }
        let now = self.now();
        let mut decision = self.consider(asker, &question, &facts, now);
        if self.limiter().settle_at_once(&mut decision, &self.state.follower.meters, facts.ip, now) {
            return ready(Ok(self.verdict(decision, question, &facts, now))).left_future();
        }
        let service = self.clone();
        let asking = async move {
            service.limiter().settle(&mut decision, &service.state.follower.meters, facts.ip, now).await;
            Ok(service.verdict(decision, question, &facts, now))
        };
        asking.boxed().right_future()
    }

    /// Decides on many calls, in their order; what is wrong with one refuses all.
    pub async fn verify_batch(&self, asker: &Asker, batch: wire::Batch) -> Result<Verdicts, Error> {
        if !(1..=MAX_BATCH).contains(&batch.items.len()) {
            return Err(Refusal::invalid("/items", format!("must be 1 to {MAX_BATCH}")).into());
        }
        let mut all = Vec::with_capacity(batch.items.len());
        for (at, question) in batch.items.iter().enumerate() {
            let mut fields = Fields::within(format!("/items/{at}"));
            all.push(Facts::read(&mut fields, question));
            fields.finish()?;
        }
        let limiter = &self.limiter().for_a_batch();
        let mut verdicts = Vec::with_capacity(all.len());
        let mut questions = batch.items.into_iter().zip(all);
        while questions.len() > 0 {
            let some = questions.by_ref().take(AT_ONCE);
            let deciding = some.map(|(question, facts)| self.decide(limiter, asker, question, facts));
            // They are begun in their order, and so the first of them get what is left of a limit.
            verdicts.extend(join_all(deciding).await);
        }
        Ok(Verdicts(verdicts))
    }

    async fn decide(
        &self,
        limiter: &Limiter,
        asker: &Asker,
        question: wire::Question,
        facts: Facts,
    ) -> Verdict {
        let now = self.now();
        let mut decision = self.consider(asker, &question, &facts, now);
        limiter.settle(&mut decision, &self.state.follower.meters, facts.ip, now).await;
        self.verdict(decision, question, &facts, now)
    }

    /// What is in memory alone: nothing is counted or used up yet.
    fn consider(&self, asker: &Asker, question: &wire::Question, facts: &Facts, now: Timestamp) -> Decision {
        let asked: Vec<&str> = question.permissions.iter().flatten().map(String::as_str).collect();
        let presented = &question.credential;
        let request = Request {
            credential: Credential::from_parts(presented.key.as_deref(), presented.secret.as_deref()),
            api: question.api.as_deref(),
            environment: question.environment.as_deref(),
            permissions: &asked,
            ip: facts.ip,
            cost: facts.cost,
            scope: asker.scope_for(question.api.is_some()),
        };
        match asker.fresh {
            true => self.state.follower.index.decide(&request, now),
            false => self.state.follower.index.decide_as_stale(&request, now),
        }
    }

    fn verdict(
        &self,
        decision: Decision,
        question: wire::Question,
        facts: &Facts,
        now: Timestamp,
    ) -> Verdict {
        let slowed = facts.ip.and_then(|source| self.failures().slowed(&decision, source, now));
        let retry_after_seconds = decision.retry_after_seconds().or(slowed.map(u64::from));
        Verdict { decision, asked: question.permissions, retry_after_seconds }
    }
}

impl Asker {
    /// Without an API, Keys of the asker's own Organization alone are judged.
    fn scope_for(&self, with_api: bool) -> Scope {
        let own = self.scope.organization_id.or((!with_api).then_some(self.organization_id));
        Scope { organization_id: own, ..self.scope }
    }
}

/// What of a question has to be read first.
struct Facts {
    ip: Option<IpAddr>,
    cost: u32,
}

impl Facts {
    fn read(fields: &mut Fields, question: &wire::Question) -> Self {
        let ip = question.ip.as_deref().and_then(|text| {
            let parsed = text.parse::<IpAddr>().map_err(|_| "must be an address such as 203.0.113.9");
            fields.take("/ip", parsed)
        });
        let cost = question.cost.unwrap_or(1);
        if !(1..=MAX_COST).contains(&cost) {
            fields.wrong("/cost", format!("must be 1 to {MAX_COST}"));
        }
        Self { ip: ip.map(|ip| ip.to_canonical()), cost: u32::try_from(cost).unwrap_or(1) }
    }
}

impl Verdict {
    pub const fn code(&self) -> Code {
        self.decision.code()
    }
}

/// The shape of [`wire::Decision`].
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let decision = &self.decision;
        let mut object = serializer.serialize_struct("Decision", 12)?;
        object.serialize_field("allowed", &decision.allowed())?;
        object.serialize_field("code", &decision.code())?;
        if let Some(id) = decision.key_id() {
            object.serialize_field("key_id", &id)?;
        }
        if let Some(shared) = decision.shared_key() {
            object.serialize_field("key_id", &shared.id)?;
            object.serialize_field("key_name", shared.name.as_str())?;
            object.serialize_field("application", &None::<NamedRef<'_>>)?;
            object.serialize_field("organization_id", &shared.organization_id)?;
        }
        if let Some(id) = decision.key_set_id() {
            object.serialize_field("key_set_id", &id)?;
        }
        if let Some(application) = decision.application() {
            let named = NamedRef { id: application.id, name: application.name.as_str() };
            object.serialize_field("application", &named)?;
            object.serialize_field("organization_id", &application.organization_id)?;
        }
        if let Some(environment) = decision.environment() {
            object.serialize_field("environment", environment.slug.as_str())?;
        }
        if decision.key_id().is_some() || decision.shared_key().is_some() {
            object.serialize_field("permissions", &Held { decision, asked: self.asked.as_deref() })?;
        }
        if let Some(Allotment { limit, remaining, reset_seconds: reset }) = decision.allotment() {
            object.serialize_field("rate_limit", &wire::RateLimit { limit, remaining, reset })?;
        }
        if let Some(seconds) = self.retry_after_seconds {
            object.serialize_field("retry_after", &seconds)?;
        }
        if let Some(at) = decision.expires_at() {
            object.serialize_field("expires_at", &at.to_string())?;
        }
        object.serialize_field("as_of", &decision.as_of())?;
        object.end()
    }
}

impl Serialize for Verdicts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Decisions", 1)?;
        object.serialize_field("items", &self.0)?;
        object.end()
    }
}

#[derive(serde::Serialize)]
struct NamedRef<'a> {
    id: claviger_domain::id::ApplicationId,
    name: &'a str,
}

/// What is held of what was asked; all that is held, if nothing was asked.
struct Held<'a> {
    decision: &'a Decision,
    asked: Option<&'a [String]>,
}

impl Serialize for Held<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.asked {
            None => serializer.collect_seq(self.decision.permissions()),
            Some(asked) => {
                let held = |wanted: &&String| self.decision.permissions().any(|held| held == wanted.as_str());
                serializer.collect_seq(asked.iter().filter(held))
            }
        }
    }
}
