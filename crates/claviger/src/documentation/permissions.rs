//! For docs/permissions.md, from the domain's table of permissions and what each role begins with.

use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::DefaultRole;

use super::{head, row};

/// The table.
pub(super) fn table() -> String {
    let names: Vec<&str> = DefaultRole::ALL.iter().map(|role| role.as_str()).collect();
    let titles: Vec<&str> = ["permission", "allows"].into_iter().chain(names).collect();
    let mut text = head(&titles);
    for permission in Permission::ALL {
        let held = DefaultRole::ALL.iter().map(|role| {
            if role.permissions().contains(permission) { "yes".to_owned() } else { String::new() }
        });
        let words = [format!("`{permission}`"), permission.description().to_owned()];
        text.push_str(&row(words.into_iter().chain(held)));
    }
    text
}
