//! What the server answered, if it makes sense: three whole numbers for each rule (`take.lua`).

use claviger_verify::{Allotment, Exceeded, Rule, Rules};
use redis::Value;

/// Nothing waits longer: a burst of the highest that there can be, at the lowest rate.
const MOST_MILLISECONDS: i64 = 4_000_000_000_000_000;

/// What the server said of one rule.
struct Said {
    rule: Rule,
    wait: u64,
    left: u32,
    whole: u64,
}

/// What it said of the call. `None`: it can't have been our script.
pub(crate) fn read(answer: &Value, rules: &Rules, cost: u32) -> Option<Result<Allotment, Exceeded>> {
    let Value::Array(numbers) = answer else { return None };
    if numbers.len() != 3 * rules.iter().count() {
        return None;
    }
    let mut strictest = Allotment::UNBOUND;
    let mut worst: Option<Exceeded> = None;
    for (rule, numbers) in rules.iter().zip(numbers.chunks(3)) {
        let said = Said::read(rule, numbers, cost)?;
        match said.exceeded() {
            None => strictest = strictest.stricter(said.allotment()),
            Some(exceeded) => worst = Exceeded::worst(worst.into_iter().chain([exceeded])),
        }
    }
    Some(worst.map_or(Ok(strictest), Err))
}

impl Said {
    fn read(rule: Rule, numbers: &[Value], cost: u32) -> Option<Self> {
        let &[Value::Int(wait), Value::Int(left), Value::Int(whole)] = numbers else { return None };
        let in_range = |milliseconds: i64| {
            (0..=MOST_MILLISECONDS).contains(&milliseconds).then_some(milliseconds.unsigned_abs())
        };
        let (wait, whole) = (in_range(wait)?, in_range(whole)?);
        let left = u32::try_from(left).ok().filter(|left| *left <= rule.amount.limit())?;
        // A rule that has enough left refuses nobody.
        (wait == 0 || left < cost).then_some(Self { rule, wait, left, whole })
    }

    fn allotment(&self) -> Allotment {
        Allotment {
            limit: self.rule.amount.limit(),
            remaining: self.left,
            reset_seconds: self.whole.div_ceil(1_000),
        }
    }

    fn exceeded(&self) -> Option<Exceeded> {
        let Allotment { remaining, reset_seconds, .. } = self.allotment();
        let wait = self.wait.div_ceil(1_000);
        (wait > 0).then(|| Exceeded::new(self.rule.amount, remaining, reset_seconds, wait))
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::decision::Code;
    use claviger_domain::id::KeySetId;
    use claviger_domain::policy_templates::{CallLimits, Quota, QuotaPeriod, RateLimit, RatePeriod};
    use claviger_verify::Subject;

    use super::*;

    fn rules() -> Rules {
        let limits = CallLimits {
            rate_limit: Some(RateLimit { limit: 10, per: RatePeriod::Second, burst: 20 }),
            quota: Some(Quota { limit: 100, per: QuotaPeriod::Day }),
        };
        Rules::new(Subject::KeySet(KeySetId::from_bytes([1; 16])), None, limits)
    }

    fn said(numbers: &[i64]) -> Option<Result<Allotment, Exceeded>> {
        read(&Value::Array(numbers.iter().map(|number| Value::Int(*number)).collect()), &rules(), 3)
    }

    #[test]
    fn the_strictest_rule_is_told_and_the_first_that_refuses() {
        let passed = said(&[0, 17, 1_500, 0, 4, 86_000_000]).expect("it makes sense");
        assert_eq!(passed, Ok(Allotment { limit: 100, remaining: 4, reset_seconds: 86_000 }));
        let both = said(&[1_001, 2, 1_800, 86_000_000, 0, 86_000_000]).expect("it makes sense");
        let both = both.expect_err("refused");
        assert_eq!((both.code, both.retry_after_seconds), (Code::RateLimited, 2));
        assert_eq!(both.allotment, Allotment { limit: 20, remaining: 2, reset_seconds: 2 });
        let quota = said(&[0, 17, 0, 86_000_000, 2, 86_000_000]).expect("it makes sense");
        assert_eq!(quota.expect_err("refused").code, Code::QuotaExceeded);
    }

    #[test]
    fn what_can_not_be_our_scripts_answer_is_none() {
        for numbers in [
            &[][..],
            &[0, 17, 0],
            &[0, 17, 0, 0, 4, 0, 0],
            &[0, 21, 0, 0, 4, 0],
            &[0, -1, 0, 0, 4, 0],
            &[-1, 17, 0, 0, 4, 0],
            &[0, 17, -1, 0, 4, 0],
            &[0, 17, i64::MAX, 0, 4, 0],
            // It has enough, and refuses.
            &[5, 17, 0, 0, 4, 0],
        ] {
            assert_eq!(said(numbers), None, "{numbers:?}");
        }
        for answer in [Value::Nil, Value::Okay, Value::Int(0), Value::SimpleString("0".to_owned())] {
            assert_eq!(read(&answer, &rules(), 1), None);
        }
        let text = Value::Array(vec![Value::BulkString(b"0".to_vec()); 6]);
        assert_eq!(read(&text, &rules(), 1), None);
    }
}
