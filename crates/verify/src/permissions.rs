//! A set of permissions in sixteen bytes, for answering from memory without following a pointer.

use claviger_domain::permission::{Permission, Permissions};

/// Which permissions are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionBits(u128);

const _: () = assert!(Permission::ALL.len() <= 128, "a permission has one bit of 128");

impl PermissionBits {
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn bit(permission: Permission) -> u128 {
        1 << permission as u32
    }
}

impl From<&Permissions> for PermissionBits {
    fn from(permissions: &Permissions) -> Self {
        Self(permissions.iter().fold(0, |bits, permission| bits | Self::bit(*permission)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_has_a_bit_of_its_own() {
        for permission in Permission::ALL {
            let bits = PermissionBits::from(&Permissions::from([*permission]));
            for other in Permission::ALL {
                assert_eq!(bits.contains(*other), other == permission, "{permission} {other}");
            }
        }
    }
}
