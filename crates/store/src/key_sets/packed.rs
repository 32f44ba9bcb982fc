//! All that deciding needs of a Key, packed into two columns: what never changes (`identity`) and what does
//! (`deciding`). A verifier reads a million of them at its start; two columns cost a tenth of twenty.

use claviger_domain::apis::AuthType;
use claviger_domain::event::Private;
use claviger_domain::id::{ApplicationId, EnvironmentId, KeyId, KeySetId};
use claviger_domain::key_sets::{DecidingKey, EndReason, Ended, Key, KeySet, Retirement, Schedule};
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::time::Timestamp;

/// The form of both columns; a reader that meets another stops closed.
const VERSION: u8 = 1;
/// How long they are: an identity without a secret's digest, which is behind it if there is one.
const IDENTITY: usize = 102;
const SECRET: usize = 32;
const DECIDING: usize = 60;
const SUSPENDED: u8 = 1;
const LATEST: u8 = 2;
/// No instant: long before every Key.
const NEVER: i64 = i64::MIN;
const REASONS: [EndReason; 5] =
    [EndReason::Revoked, EndReason::Regenerated, EndReason::Rotated, EndReason::Issued, EndReason::Expired];

/// What never changes of a Key.
pub(super) fn identity(set: &KeySet, key: &Key, private: &Private) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(IDENTITY + SECRET);
    bytes.push(VERSION);
    bytes.extend_from_slice(key.id.as_bytes());
    bytes.extend_from_slice(set.id.as_bytes());
    bytes.extend_from_slice(set.application_id.as_bytes());
    bytes.extend_from_slice(set.environment_id.as_bytes());
    bytes.push(code_of(&AuthType::ALL, &set.auth_type));
    bytes.extend_from_slice(&private.digest_key.0.to_be_bytes());
    bytes.extend_from_slice(private.key.as_bytes());
    if let Some(secret) = &private.secret {
        bytes.extend_from_slice(secret.as_bytes());
    }
    bytes
}

/// What may change of a Key.
pub(super) fn deciding(set: &KeySet, key: &Key) -> Vec<u8> {
    let suspended = if set.suspended_by.is_some() { SUSPENDED } else { 0 };
    let latest = if set.latest().is_some_and(|latest| latest.id == key.id) { LATEST } else { 0 };
    let mut bytes = Vec::with_capacity(DECIDING);
    bytes.extend_from_slice(&[VERSION, suspended | latest]);
    let schedule = key.schedule;
    for instant in [
        schedule.map(|schedule| schedule.start),
        schedule.map(|schedule| schedule.provisioned_at),
        schedule.and_then(|schedule| schedule.rotation_due_at),
        schedule.and_then(|schedule| schedule.expires_at),
        key.retirement.map(|retirement| retirement.retires_at),
        key.ended.map(|ended| ended.ended_at),
        key.ended.and_then(|ended| ended.planned_at),
    ] {
        bytes.extend_from_slice(&instant.map_or(NEVER, Timestamp::as_micros).to_be_bytes());
    }
    let reasons = [key.retirement.map(|retirement| retirement.reason), key.ended.map(|ended| ended.reason)];
    bytes.extend(reasons.iter().map(|reason| reason.map_or(0, |reason| code_of(&REASONS, &reason))));
    bytes
}

/// Keys one behind the other: before both columns of each stands the letter 1 if it has a secret, else 0.
pub(super) fn unpack_all(mut bytes: &[u8], take: &mut impl FnMut(DecidingKey)) -> Option<()> {
    while let Some((secret, rest)) = bytes.split_first() {
        let identity = if *secret == b'1' { IDENTITY + SECRET } else { IDENTITY };
        let (identity, rest) = rest.split_at_checked(identity)?;
        let (deciding, rest) = rest.split_at_checked(DECIDING)?;
        take(unpack(identity, deciding)?);
        bytes = rest;
    }
    Some(())
}

/// Both columns read back, if they are of this form.
pub(crate) fn unpack(identity: &[u8], deciding: &[u8]) -> Option<DecidingKey> {
    let (mut identity, mut deciding) = (Bytes(identity), Bytes(deciding));
    if identity.take::<1>()? != [VERSION] || deciding.take::<1>()? != [VERSION] {
        return None;
    }
    let [flags] = deciding.take::<1>()?;
    let row = DecidingKey {
        id: KeyId::from_bytes(identity.take()?),
        key_set_id: KeySetId::from_bytes(identity.take()?),
        application_id: ApplicationId::from_bytes(identity.take()?),
        environment_id: EnvironmentId::from_bytes(identity.take()?),
        auth_type: of_code(&AuthType::ALL, identity.take::<1>()?)?,
        suspended: flags & SUSPENDED != 0,
        latest: flags & LATEST != 0,
        digest_key: DigestKeyId(u32::from_be_bytes(identity.take()?)),
        key_digest: Digest::from_bytes(identity.take()?),
        secret_digest: if identity.0.is_empty() { None } else { Some(Digest::from_bytes(identity.take()?)) },
        schedule: None,
        retirement: None,
        ended: None,
    };
    unpack_dates(row, deciding).filter(|_| identity.0.is_empty())
}

fn unpack_dates(row: DecidingKey, mut bytes: Bytes<'_>) -> Option<DecidingKey> {
    let [start, provisioned_at, rotation_due_at, expires_at] =
        [bytes.instant()?, bytes.instant()?, bytes.instant()?, bytes.instant()?];
    let [retires_at, ended_at, planned_at] = [bytes.instant()?, bytes.instant()?, bytes.instant()?];
    let [retires_as, ended_as] = [bytes.take::<1>()?, bytes.take::<1>()?];
    let schedule = start.zip(provisioned_at).map(|(start, provisioned_at)| Schedule {
        start,
        provisioned_at,
        rotation_due_at,
        expires_at,
    });
    let retirement = match retires_at {
        Some(retires_at) => Some(Retirement { retires_at, reason: of_code(&REASONS, retires_as)? }),
        None => None,
    };
    let ended = match ended_at {
        Some(ended_at) => Some(Ended { ended_at, planned_at, reason: of_code(&REASONS, ended_as)? }),
        None => None,
    };
    bytes.0.is_empty().then_some(DecidingKey { schedule, retirement, ended, ..row })
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn instant(&mut self) -> Option<Option<Timestamp>> {
        let micros = i64::from_be_bytes(self.take()?);
        Some((micros != NEVER).then_some(Timestamp::from_micros(micros)))
    }
}

/// Words as numbers from 1; 0 is none.
fn code_of<T: PartialEq>(words: &[T], word: &T) -> u8 {
    let index = words.iter().position(|other| other == word);
    index.and_then(|index| u8::try_from(index + 1).ok()).unwrap_or(0)
}

fn of_code<T: Copy>(words: &[T], [code]: [u8; 1]) -> Option<T> {
    words.get(usize::from(code).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(secret: Option<u8>) -> Vec<u8> {
        let mut bytes = vec![if secret.is_some() { b'1' } else { b'0' }, VERSION];
        bytes.extend([1; 64]);
        bytes.push(1);
        bytes.extend([0, 0, 0, 7]);
        bytes.extend([9; 32]);
        bytes.extend(secret.into_iter().flat_map(|byte| [byte; SECRET]));
        bytes.extend([VERSION, LATEST]);
        bytes.extend(NEVER.to_be_bytes().repeat(7));
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn keys_that_stand_one_behind_the_other_are_told_apart() {
        let all = [packed(None), packed(Some(0)), packed(Some(b'1')), packed(None)].concat();
        let read = |bytes: &[u8]| {
            let mut secrets = Vec::new();
            unpack_all(bytes, &mut |row| secrets.push(row.secret_digest)).map(|()| secrets)
        };
        let secrets = read(&all).unwrap();
        let digest = |byte| Some(Digest::from_bytes([byte; SECRET]));
        assert_eq!(secrets, [None, digest(0), digest(b'1'), None]);
        assert_eq!(read(&[]), Some(Vec::new()));
        assert_eq!(read(&all[..all.len() - 1]), None);
        assert_eq!(read(&all[1..]), None);
    }
}
