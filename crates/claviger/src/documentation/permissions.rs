//! docs/permissions.md, from the domain's table of permissions and what each role begins with.

use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::DefaultRole;

use super::{head, row};

const INTRODUCTION: &str = "# Permissions

*Made by `claviger docs permissions`; a test fails when it differs from the program.*

A permission is `<collection>:<act>`. A permission group is a named set of them; a service key has at least one group,
and a group granted to a member at a scope is a role. Nobody gives what they have not. Below: what each permission
allows, and which of the groups that `claviger init` makes have it. All groups but `owner` can be edited.
";

/// The page.
pub(super) fn page() -> String {
    let names: Vec<&str> = DefaultRole::ALL.iter().map(|role| role.as_str()).collect();
    let titles: Vec<&str> = ["permission", "allows"].into_iter().chain(names).collect();
    let mut text = format!("{INTRODUCTION}\n{}", head(&titles));
    for permission in Permission::ALL {
        let held = DefaultRole::ALL.iter().map(|role| {
            if role.permissions().contains(permission) { "yes".to_owned() } else { String::new() }
        });
        let words = [format!("`{permission}`"), permission.description().to_owned()];
        text.push_str(&row(words.into_iter().chain(held)));
    }
    text
}
