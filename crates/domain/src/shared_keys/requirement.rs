//! What a change of an API's `requires` does to the keys that call it (product.md C8).

use super::{SecretOrigin, SharedKey, SharedKeyStatus};
use crate::apis::Requires;

/// Whether calls with this key that are let through under `now` would be refused under `then`: they need not
/// carry today what they would have to, or the key has nothing that would do. A disabled key's calls are refused
/// anyway.
pub fn breaks(key: &SharedKey, now: Requires, then: Requires) -> bool {
    if key.status == SharedKeyStatus::Disabled || !can_call(key, now) {
        return false;
    }
    let lacks_part =
        (carries_key(then) && !carries_key(now)) || (carries_secret(then) && !carries_secret(now));
    lacks_part || !can_call(key, then)
}

/// Whether the key has what a call must carry.
fn can_call(key: &SharedKey, requires: Requires) -> bool {
    match requires {
        Requires::None | Requires::Key => true,
        // Only a generated secret identifies a key alone.
        Requires::Secret => key.secret == Some(SecretOrigin::Generated),
        Requires::KeyAndSecret => key.secret.is_some(),
    }
}

/// A call that names a shared key names it by the key, unless the secret alone does.
const fn carries_key(requires: Requires) -> bool {
    !matches!(requires, Requires::Secret)
}

const fn carries_secret(requires: Requires) -> bool {
    matches!(requires, Requires::Secret | Requires::KeyAndSecret)
}
