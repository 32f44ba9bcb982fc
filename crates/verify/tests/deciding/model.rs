//! Random lives: an index that followed the log equals one loaded from the tables, and both decide as a
//! plain reading of the nouns does.

use std::net::IpAddr;

use claviger_domain::apis::AuthType;
use claviger_domain::applications::ApplicationStatus;
use claviger_domain::decision::Code;
use claviger_domain::event::EventBody;
use claviger_domain::id::{ApiId, ApplicationId, KeyId, KeySetId, SubscriptionId};
use claviger_domain::key_sets::{EndReason, Ended, KeyStatus, Retirement, SuspendedBy};
use claviger_domain::policy_templates::{Policy, Quota, QuotaPeriod, RateLimit, RatePeriod};
use claviger_domain::subscriptions::SubscriptionStatus;
use claviger_domain::time::Timestamp;
use claviger_verify::{Credential, Entries, Request};
use proptest::prelude::*;
use proptest::sample::Index as Pick;

use crate::story::{ACME, OTHER, PRODUCTION, SANDBOX, Story, name, permissions, schedule, settings};

/// One thing that happens; it is passed over where it does not fit.
#[derive(Debug, Clone)]
enum Happening {
    Api { narrow: bool },
    SetApi { api: Pick, types: usize, addresses: bool },
    ExposeApi { api: Pick, exposed: bool },
    DeleteApi { api: Pick },
    Application { partner: bool },
    RenameApplication { application: Pick },
    SuspendApplication { application: Pick, suspended: bool },
    DeleteApplication { application: Pick },
    KeySet { application: Pick, sandbox: bool, auth_type: usize },
    Issue { set: Pick, pending: bool, expires_in: Option<i64>, suspended: bool },
    Subscribe { api: Pick, set: Pick, pending: bool, narrow: bool, before_issue: bool },
    Accept { subscription: Pick },
    Narrow { subscription: Pick, all: bool },
    End { subscription: Pick },
    Renew { subscription: Pick, set: Pick },
    Suspend { set: Pick, suspended: bool },
    Provision { set: Pick, suspended: bool },
    Reschedule { set: Pick, expires_in: Option<i64> },
    Retire { set: Pick, key: Pick, retires_in: i64 },
    EndKey { set: Pick, key: Pick, expired: bool },
    Revoke { set: Pick },
    Remove { set: Pick },
    Wait { seconds: i64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    let pick = any::<Pick>;
    let soon = || proptest::option::of(1..500_i64);
    prop_oneof![
        2 => any::<bool>().prop_map(|narrow| H::Api { narrow }),
        2 => (pick(), 0..8_usize, any::<bool>())
            .prop_map(|(api, types, addresses)| H::SetApi { api, types, addresses }),
        2 => (pick(), any::<bool>()).prop_map(|(api, exposed)| H::ExposeApi { api, exposed }),
        1 => pick().prop_map(|api| H::DeleteApi { api }),
        4 => any::<bool>().prop_map(|partner| H::Application { partner }),
        1 => pick().prop_map(|application| H::RenameApplication { application }),
        2 => (pick(), any::<bool>())
            .prop_map(|(application, suspended)| H::SuspendApplication { application, suspended }),
        1 => pick().prop_map(|application| H::DeleteApplication { application }),
        6 => (pick(), any::<bool>(), 0..3_usize)
            .prop_map(|(application, sandbox, auth_type)| H::KeySet { application, sandbox, auth_type }),
        12 => (pick(), any::<bool>(), soon(), proptest::bool::weighted(0.2))
            .prop_map(|(set, pending, expires_in, suspended)| H::Issue { set, pending, expires_in, suspended }),
        10 => (pick(), pick(), proptest::bool::weighted(0.3), any::<bool>(), any::<bool>()).prop_map(
            |(api, set, pending, narrow, before_issue)| H::Subscribe { api, set, pending, narrow, before_issue }
        ),
        3 => pick().prop_map(|subscription| H::Accept { subscription }),
        3 => (pick(), any::<bool>()).prop_map(|(subscription, all)| H::Narrow { subscription, all }),
        2 => pick().prop_map(|subscription| H::End { subscription }),
        2 => (pick(), pick()).prop_map(|(subscription, set)| H::Renew { subscription, set }),
        4 => (pick(), any::<bool>()).prop_map(|(set, suspended)| H::Suspend { set, suspended }),
        4 => (pick(), any::<bool>()).prop_map(|(set, suspended)| H::Provision { set, suspended }),
        3 => (pick(), soon()).prop_map(|(set, expires_in)| H::Reschedule { set, expires_in }),
        4 => (pick(), pick(), 1..500_i64)
            .prop_map(|(set, key, retires_in)| H::Retire { set, key, retires_in }),
        3 => (pick(), pick(), any::<bool>()).prop_map(|(set, key, expired)| H::EndKey { set, key, expired }),
        1 => pick().prop_map(|set| H::Revoke { set }),
        1 => pick().prop_map(|set| H::Remove { set }),
        4 => (1..200_i64).prop_map(|seconds| H::Wait { seconds }),
    ]
}

impl Story {
    fn happen(&mut self, happening: &Happening) -> Option<()> {
        self.happen_to_catalog(happening);
        self.happen_to_subscriptions(happening);
        self.happen_to_key_sets(happening)
    }

    fn pick_api(&self, pick: &Pick) -> Option<ApiId> {
        picked(pick, self.apis.keys())
    }

    fn pick_application(&self, pick: &Pick) -> Option<ApplicationId> {
        picked(pick, self.applications.keys())
    }

    /// Nothing happens to the Key Sets of an Application that was deleted.
    fn pick_set(&self, pick: &Pick) -> Option<KeySetId> {
        let fitting =
            self.key_sets.values().filter(|set| self.applications.contains_key(&set.application_id));
        picked(pick, fitting.map(|set| &set.id).collect::<Vec<_>>().into_iter())
    }

    fn pick_subscription(&self, pick: &Pick, status: SubscriptionStatus) -> Option<SubscriptionId> {
        let fitting = self.subscriptions.iter().filter(|(_, it)| it.status == status).map(|(id, _)| id);
        picked(pick, fitting.collect::<Vec<_>>().into_iter())
    }

    fn happen_to_catalog(&mut self, happening: &Happening) -> Option<()> {
        match happening {
            Happening::Api { narrow } => {
                let mut settings = settings();
                if *narrow {
                    settings.permissions = permissions(&["orders:read"]);
                }
                self.api(&format!("api-{}", self.events.len()), settings);
            }
            Happening::SetApi { api, types, addresses } => {
                let api_id = self.pick_api(api)?;
                let mut settings = self.apis[&api_id].settings.clone();
                let kept = |(at, _): &(usize, AuthType)| types >> at & 1 == 1;
                settings.auth_types =
                    AuthType::ALL.into_iter().enumerate().filter(kept).map(|(_, it)| it).collect();
                settings.quota = addresses.then_some(Quota { limit: 7, per: QuotaPeriod::Month });
                settings.ip_allow_list = addresses.then(|| vec!["192.0.2.0/24".parse().expect("a network")]);
                self.tell(EventBody::ApiUpdated { api_id, settings });
            }
            Happening::ExposeApi { api, exposed } => {
                let api_id = self.pick_api(api)?;
                self.tell(if *exposed {
                    EventBody::ApiExposed { api_id }
                } else {
                    EventBody::ApiUnexposed { api_id }
                });
            }
            Happening::DeleteApi { api } => {
                let api_id = self.pick_api(api)?;
                if !self.subscriptions.values().any(|it| it.api_id == api_id && it.status.is_live()) {
                    self.tell(EventBody::ApiDeleted { api_id });
                }
            }
            Happening::Application { partner } => {
                self.application(if *partner { OTHER } else { ACME });
            }
            Happening::RenameApplication { application } => {
                let application_id = self.pick_application(application)?;
                let name = name(&format!("Shop {}", self.events.len()));
                self.tell(EventBody::ApplicationUpdated { application_id, name });
            }
            Happening::SuspendApplication { application, suspended } => {
                let application_id = self.pick_application(application)?;
                self.tell(if *suspended {
                    EventBody::ApplicationSuspended { application_id }
                } else {
                    EventBody::ApplicationActivated { application_id }
                });
            }
            Happening::DeleteApplication { application } => {
                let application_id = self.pick_application(application)?;
                self.tell(EventBody::ApplicationDeleted { application_id });
            }
            Happening::Wait { seconds } => self.now = self.now.plus_seconds(*seconds),
            _ => {}
        }
        Some(())
    }

    fn happen_to_subscriptions(&mut self, happening: &Happening) -> Option<()> {
        match happening {
            Happening::Subscribe { api, set, pending, narrow, before_issue } => {
                let (api, set) = (self.pick_api(api)?, self.pick_set(set)?);
                let taken = self
                    .subscriptions
                    .values()
                    .any(|it| it.api_id == api && it.key_set_ids.contains(&set) && it.status.is_live());
                let has_key = !self.key_sets[&set].keys.is_empty();
                if !taken && (has_key || *before_issue) {
                    self.subscribe(api, &[set], narrow.then_some(&["orders:write"]), *pending);
                }
            }
            Happening::Accept { subscription } => {
                let subscription_id = self.pick_subscription(subscription, SubscriptionStatus::Pending)?;
                let it = self.subscriptions[&subscription_id].clone();
                self.tell(EventBody::SubscriptionAccepted {
                    subscription_id,
                    api_id: it.api_id,
                    permissions: it.permissions,
                    key_set_ids: it.key_set_ids,
                });
            }
            Happening::Narrow { subscription, all } => {
                let of = |status| self.pick_subscription(subscription, status);
                let subscription_id =
                    of(SubscriptionStatus::Active).or_else(|| of(SubscriptionStatus::Pending))?;
                let it = self.subscriptions[&subscription_id].clone();
                self.tell(EventBody::SubscriptionUpdated {
                    subscription_id,
                    api_id: it.api_id,
                    permissions: (!all).then(|| permissions(&["orders:read"])),
                    key_set_ids: it.key_set_ids,
                });
            }
            Happening::End { subscription } => {
                let subscription_id = self.pick_subscription(subscription, SubscriptionStatus::Active)?;
                let it = self.subscriptions[&subscription_id].clone();
                self.tell(EventBody::SubscriptionEnded {
                    subscription_id,
                    api_id: it.api_id,
                    key_set_ids: it.key_set_ids,
                });
            }
            Happening::Renew { subscription, set } => {
                let subscription_id = self.pick_subscription(subscription, SubscriptionStatus::Active)?;
                let set = self.pick_set(set)?;
                let mut it = self.subscriptions[&subscription_id].clone();
                let taken = self.subscriptions.values().any(|other| {
                    other.api_id == it.api_id && other.key_set_ids.contains(&set) && other.status.is_live()
                });
                if !taken {
                    it.key_set_ids.push(set);
                    self.tell(EventBody::SubscriptionRenewed {
                        subscription_id,
                        api_id: it.api_id,
                        permissions: it.permissions,
                        key_set_ids: it.key_set_ids,
                    });
                }
            }
            _ => {}
        }
        Some(())
    }

    fn happen_to_key_sets(&mut self, happening: &Happening) -> Option<()> {
        match happening {
            Happening::KeySet { application, sandbox, auth_type } => {
                let application = self.pick_application(application)?;
                let environment = if *sandbox { SANDBOX } else { PRODUCTION };
                self.key_set(application, environment, AuthType::ALL[*auth_type]);
            }
            Happening::Issue { set, pending, expires_in, suspended } => {
                let set = self.pick_set(set)?;
                self.generation = 1 + (self.events.len() % 2) as u32;
                let expires_at = expires_in.map(|seconds| self.now.plus_seconds(seconds));
                let schedule = (!pending).then(|| schedule(self.now, expires_at));
                self.issue(set, schedule, suspended.then_some(SuspendedBy::Hand));
            }
            Happening::Suspend { set, suspended } => {
                let key_set_id = self.pick_set(set)?;
                self.tell(if *suspended {
                    EventBody::KeySetSuspended { key_set_id, by: SuspendedBy::Hand }
                } else {
                    EventBody::KeySetActivated { key_set_id }
                });
            }
            Happening::Provision { set, suspended } => {
                let key_set_id = self.pick_set(set)?;
                let key = self.key_sets[&key_set_id].latest()?;
                if key.schedule.is_none() && key.ended.is_none() {
                    let status = if *suspended { KeyStatus::Suspended } else { KeyStatus::Active };
                    let schedule = schedule(self.now, Some(self.now.plus_seconds(300)));
                    self.tell(EventBody::KeySetProvisioned { key_set_id, key_id: key.id, schedule, status });
                }
            }
            Happening::Reschedule { set, expires_in } => {
                let key_set_id = self.pick_set(set)?;
                let it = &self.key_sets[&key_set_id];
                let expires_at = expires_in.map(|seconds| self.now.plus_seconds(seconds));
                let schedule = it.latest()?.schedule.map(|_| schedule(self.now, expires_at));
                // A date that comes soon goes with other limits.
                let rate_limit = expires_in.map(|seconds| RateLimit {
                    limit: u32::try_from(seconds % 3).map_or(1, |limit| limit + 1),
                    per: RatePeriod::Minute,
                    burst: 9,
                });
                let (policy, template) = (Policy { rate_limit, ..it.policy.clone() }, it.template);
                self.tell(EventBody::KeySetPolicyChanged { key_set_id, policy, template, schedule });
            }
            Happening::Retire { set, key, retires_in } => {
                let (key_set_id, key_id) = self.pick_living(set, key)?;
                let retires_at = self.now.plus_seconds(*retires_in);
                let retirement = Retirement { retires_at, reason: EndReason::Rotated };
                self.tell(EventBody::KeyRetirementPlanned { key_set_id, key_id, retirement });
            }
            Happening::EndKey { set, key, expired } => {
                let (key_set_id, key_id) = self.pick_living(set, key)?;
                let reason = if *expired { EndReason::Expired } else { EndReason::Regenerated };
                let ended = Ended { ended_at: self.now, planned_at: None, reason };
                self.tell(if *expired {
                    EventBody::KeyExpired { key_set_id, key_id, ended }
                } else {
                    EventBody::KeyRevoked { key_set_id, key_id, ended }
                });
            }
            Happening::Revoke { set } => {
                let key_set_id = self.pick_set(set)?;
                self.tell(EventBody::KeySetRevoked { key_set_id });
            }
            Happening::Remove { set } => {
                let key_set_id = self.pick_set(set)?;
                let used = self.subscriptions.values().any(|it| it.key_set_ids.contains(&key_set_id));
                if !used {
                    self.tell(EventBody::KeySetRemoved { key_set_id });
                }
            }
            _ => {}
        }
        Some(())
    }

    fn pick_living(&self, set: &Pick, key: &Pick) -> Option<(KeySetId, KeyId)> {
        let set = self.pick_set(set)?;
        let living = self.key_sets[&set].keys.iter().filter(|key| key.ended.is_none()).map(|key| &key.id);
        picked(key, living.collect::<Vec<_>>().into_iter()).map(|key| (set, key))
    }

    /// The code that the spec asks for, read from the nouns as plainly as can be.
    fn expected(&self, key: KeyId, api: ApiId, asked: &[&str], ip: IpAddr, now: Timestamp) -> Code {
        let Some(api) = self.apis.get(&api).filter(|api| api.exposed) else { return Code::ApiNotExposed };
        let holder = self.key_sets.values().find(|set| set.key(key).is_some());
        let Some((set, it)) = holder.and_then(|set| Some((set, set.key(key)?))) else { return Code::Unknown };
        let Some(application) = self.applications.get(&set.application_id) else { return Code::Unknown };
        match set.key_status(it, now) {
            KeyStatus::Revoked => return Code::Revoked,
            KeyStatus::Expired => return Code::Expired,
            _ if set.suspended_by.is_some() || application.status == ApplicationStatus::Suspended => {
                return Code::Suspended;
            }
            KeyStatus::Pending => return Code::Pending,
            KeyStatus::Active | KeyStatus::Suspended => {}
        }
        let subscription = self.subscriptions.values().find(|it| {
            it.api_id == api.id && it.key_set_ids.contains(&set.id) && it.status == SubscriptionStatus::Active
        });
        let listed = api.settings.auth_types.contains(&set.auth_type);
        let Some(subscription) = subscription.filter(|_| listed) else { return Code::NotSubscribed };
        let admitted = |list: &Vec<ipnet::IpNet>| list.iter().any(|network| network.contains(&ip));
        if !api.settings.ip_allow_list.as_ref().is_none_or(admitted) {
            return Code::IpDenied;
        }
        let granted = |word: &str| {
            api.settings.permissions.iter().any(|it| it.as_str() == word)
                && subscription
                    .permissions
                    .as_ref()
                    .is_none_or(|held| held.iter().any(|it| it.as_str() == word))
        };
        if asked.iter().all(|word| granted(word)) { Code::Valid } else { Code::PermissionDenied }
    }
}

fn picked<'a, T: Copy + 'a>(pick: &Pick, from: impl ExactSizeIterator<Item = &'a T>) -> Option<T> {
    let all: Vec<T> = from.copied().collect();
    (!all.is_empty()).then(|| *pick.get(&all))
}

/// Held permissions as a set: the order in which they were granted means nothing.
fn sorted(mut entries: Entries) -> Entries {
    for key in &mut entries.keys {
        key.opens.iter_mut().filter_map(|(_, held)| held.as_mut()).for_each(|held| held.sort());
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_that_followed_the_log_equals_the_tables(
        happenings in proptest::collection::vec(happening(), 1..200),
        resume_after in any::<Pick>(),
    ) {
        let mut story = Story::new();
        let resume_after = resume_after.index(happenings.len());
        let mut resumed = None;
        for (at, happening) in happenings.iter().enumerate() {
            if at == resume_after {
                resumed = Some(story.loaded());
            }
            story.happen(happening);
        }
        let told = story.told();
        let expected = sorted(story.loaded().entries());
        prop_assert_eq!(&sorted(told.entries()), &expected);
        // Snapshot, then tail; with what the snapshot knew already fed once more.
        let resumed = resumed.expect("one was loaded on the way");
        resumed.apply_all(&story.events).expect("the log is of one piece");
        prop_assert_eq!(&sorted(resumed.entries()), &expected);
        prop_assert_eq!(resumed.as_of(), story.position());
    }

    #[test]
    fn it_decides_as_the_nouns_say(
        happenings in proptest::collection::vec(happening(), 1..200),
        later in 0..400_i64,
        narrow in any::<bool>(),
        inside in any::<bool>(),
    ) {
        let mut story = Story::new();
        happenings.iter().for_each(|happening| { story.happen(happening); });
        let told = story.told();
        let now = story.now.plus_seconds(later);
        let asked: &[&str] = if narrow { &["orders:write"] } else { &[] };
        let ip: IpAddr = if inside { "192.0.2.7" } else { "198.51.100.7" }.parse().expect("an address");
        for (key, credentials) in &story.credentials {
            for (id, api) in &story.apis {
                let credential = Credential::from_parts(Some(&credentials.key), credentials.secret.as_deref());
                let request = Request {
                    api: Some(api.slug.as_str()),
                    permissions: asked,
                    ip: Some(ip),
                    ..Request::new(credential)
                };
                let decision = told.decide(&request, now);
                prop_assert_eq!(decision.code(), story.expected(*key, *id, asked, ip, now), "{} {}", key, id);
            }
        }
    }
}
