//! Keys made from a fixed seed: half of them living, two to a Key Set, each set subscribed to two of 200
//! APIs (one of ten popular ones, one of all); a third has secrets, one in fifty is about to retire. A sample of them can be presented; the
//! others have digests that nobody knows a key for, which to a table is all the same.

use std::collections::BTreeSet;

use claviger_domain::apis::{ApiPermission, AuthType, CredentialHeaders, HeaderPreset, Requires};
use claviger_domain::credential::{self, CredentialKind};
use claviger_domain::event::Position;
use claviger_domain::id::{ApiId, ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId};
use claviger_domain::policy_templates::CallLimits;
use claviger_domain::secret::{Digest, DigestKey, DigestKeyId};
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use claviger_verify::{
    ApiFacts, ApplicationFacts, DigestGeneration, DigestKeys, EnvironmentFacts, Index, KeyEnd, KeyFacts,
    KeySetFacts, Routing, SubscriptionFacts,
};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_782_864_000_000_000);
const APIS: usize = 200;
const KEYS_PER_APPLICATION: usize = 20;
/// So many keys can be presented; at 64 bytes a record and more they outgrow any cache.
const SAMPLE: usize = 1_000_000;

const KEY_LENGTH: usize = 46;
const SECRET_LENGTH: usize = 49;

pub(crate) struct Population {
    keys: usize,
    digests: DigestKeys,
    sample: Vec<Presentable>,
    apis: Vec<String>,
}

/// In one piece, so that looking at it costs no more than a request's own headers do.
struct Presentable {
    key: [u8; KEY_LENGTH],
    secret: Option<[u8; SECRET_LENGTH]>,
    /// Its number among all Keys.
    number: usize,
}

/// One call to be decided on.
pub(crate) struct Call<'a> {
    pub(crate) key: &'a str,
    pub(crate) secret: Option<&'a str>,
    pub(crate) api: &'a str,
    pub(crate) environment: &'a str,
}

impl Population {
    pub(crate) fn new(keys: usize) -> Self {
        let generation = DigestGeneration {
            key: DigestKey::new(DigestKeyId(1), &[7; 32]),
            secret: DigestKey::new(DigestKeyId(1), &[8; 32]),
        };
        let mut random = StdRng::seed_from_u64(4_711);
        // The living Keys are those with odd numbers; the sample is of them, all over the table.
        let count = (keys / 2).min(SAMPLE);
        let step = keys / 2 / count.max(1);
        let sample = (0..count)
            .map(|at| {
                let number = at * step * 2 + 1;
                let mut made = |kind| credential::generate(kind, |buffer| random.fill_bytes(buffer)).value;
                let key = made(CredentialKind::Key);
                let secret = auth_type(number / 2).has_secret().then(|| made(CredentialKind::Secret));
                Presentable {
                    key: key.expose().as_bytes().try_into().expect("the length of a key"),
                    secret: secret
                        .map(|it| it.expose().as_bytes().try_into().expect("the length of a secret")),
                    number,
                }
            })
            .collect();
        let apis = (0..APIS).map(|n| format!("orders-{n}")).collect();
        Self { keys, digests: DigestKeys { newest: generation, previous: None }, sample, apis }
    }

    pub(crate) const fn keys(&self) -> usize {
        self.keys
    }

    pub(crate) const fn digests(&self) -> &DigestKeys {
        &self.digests
    }

    /// One call of the sample after the other; where their Keys stand in the index jumps.
    pub(crate) fn call(&self, at: usize) -> Call<'_> {
        let it = &self.sample[at % self.sample.len()];
        let set = it.number / 2;
        Call {
            key: text(&it.key),
            secret: it.secret.as_ref().map(|secret| text(secret)),
            api: &self.apis[apis_of(set)[at % 2]],
            environment: if set.is_multiple_of(2) { "sandbox" } else { "production" },
        }
    }

    /// A key whose last letter is wrong.
    pub(crate) fn mistyped(&self) -> String {
        let key = text(&self.sample[0].key);
        format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' })
    }

    pub(crate) fn all_digests(&self) -> impl Iterator<Item = Digest> {
        (0..self.keys).map(|number| self.digest(number))
    }

    /// Of a Key that can be presented, its own; of the others, any.
    fn digest(&self, number: usize) -> Digest {
        match self.presentable(number) {
            Some(it) => self.digests.newest.key.digest(&it.key),
            None => random_digest(number),
        }
    }

    fn presentable(&self, number: usize) -> Option<&Presentable> {
        let step = self.keys / 2 / self.sample.len().max(1) * 2;
        let at = number.checked_sub(1)?;
        at.is_multiple_of(step).then(|| self.sample.get(at / step)).flatten()
    }

    /// Fills the index; what each policy limits is the same for all.
    pub(crate) fn load(&self, index: &Index, limits: CallLimits) {
        let mut loader = index.loader(self.keys);
        for (at, slug) in ["sandbox", "production"].into_iter().enumerate() {
            let slug = Slug::new(slug).expect("a slug");
            loader.environment(EnvironmentFacts { id: EnvironmentId::from_bytes(id(3, at)), slug });
        }
        (0..APIS).for_each(|at| loader.api(api(at, &self.apis[at])));
        for at in 0..self.keys.div_ceil(KEYS_PER_APPLICATION) {
            loader.application(application(at)).expect("room");
        }
        (0..self.keys).for_each(|number| loader.key(&self.facts(number, limits)).expect("room"));
        for set in 0..self.keys.div_ceil(2) {
            for api in apis_of(set) {
                let facts = SubscriptionFacts {
                    api_id: ApiId::from_bytes(id(2, api)),
                    key_set_ids: vec![KeySetId::from_bytes(id(4, set))],
                    permissions: None,
                };
                loader.subscription(facts).expect("Keys");
            }
        }
        loader.finish(Position(1), NOW).expect("a first snapshot");
    }

    fn facts(&self, number: usize, limits: CallLimits) -> KeyFacts {
        let set = number / 2;
        let living = !number.is_multiple_of(2);
        let secret = self.presentable(number).and_then(|it| it.secret.as_ref());
        KeyFacts {
            id: KeyId::from_bytes(id(5, number)),
            key_set: KeySetFacts {
                id: KeySetId::from_bytes(id(4, set)),
                application_id: ApplicationId::from_bytes(id(6, number / KEYS_PER_APPLICATION)),
                environment_id: EnvironmentId::from_bytes(id(3, set % 2)),
                auth_type: auth_type(set),
                suspended: false,
                limits,
            },
            latest: living,
            digest: self.digest(number),
            secret_digest: auth_type(set).has_secret().then(|| match secret {
                Some(secret) => self.digests.newest.secret.digest(secret),
                None => random_digest(number + 1_000_000_007),
            }),
            provisioned: true,
            expires_at: Some(NOW.plus_seconds(86_400 * 365)),
            retires_at: number.is_multiple_of(50).then(|| NOW.plus_seconds(86_400)),
            ended: (!living && !number.is_multiple_of(50)).then_some(KeyEnd::Revoked),
        }
    }
}

/// One of the ten that everybody uses, and one of all.
const fn apis_of(set: usize) -> [usize; 2] {
    let popular = set / 3 % 10;
    let other = set / 7 % (APIS - 10) + 10;
    [popular, other]
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("credentials are ASCII")
}

const fn auth_type(set: usize) -> AuthType {
    if set.is_multiple_of(3) { AuthType::ApiKeyAndSecret } else { AuthType::ApiKey }
}

fn api(at: usize, slug: &str) -> ApiFacts {
    ApiFacts {
        id: ApiId::from_bytes(id(2, at)),
        slug: Slug::new(slug).expect("a slug"),
        organization_id: OrganizationId::from_bytes(id(1, 0)),
        group_id: GroupId::from_bytes(id(1, 0)),
        exposed: true,
        environment_ids: (0..2).map(|at| EnvironmentId::from_bytes(id(3, at))).collect::<BTreeSet<_>>(),
        auth_types: BTreeSet::from(AuthType::ALL),
        requires: Requires::Key,
        credential_headers: CredentialHeaders::Preset(HeaderPreset::Standard),
        permissions: ["orders:read", "orders:write"]
            .map(|word| ApiPermission::new(word).expect("a permission"))
            .to_vec(),
        ip_allow_list: None,
        limits: CallLimits::default(),
        routing: Routing::default(),
    }
}

fn application(at: usize) -> ApplicationFacts {
    ApplicationFacts {
        id: ApplicationId::from_bytes(id(6, at)),
        name: Name::new(&format!("Application {at}")).expect("a name"),
        organization_id: OrganizationId::from_bytes(id(1, 0)),
        group_id: GroupId::from_bytes(id(1, 0)),
        suspended: false,
    }
}

/// As ids are: time first, then chance.
fn id(kind: u8, number: usize) -> [u8; 16] {
    let chance = StdRng::seed_from_u64(number as u64 | u64::from(kind) << 56).random::<u64>();
    ((number as u128 / 16) << 80 | u128::from(chance)).to_be_bytes()
}

fn random_digest(number: usize) -> Digest {
    let mut bytes = [0; 32];
    StdRng::seed_from_u64(number as u64 ^ 0x5eed).fill_bytes(&mut bytes);
    Digest::from_bytes(bytes)
}
