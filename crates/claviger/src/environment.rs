//! The one place of the program that asks for environment variables. What a variable means is decided by
//! who asks: `configuration` for the server's, `rest` for the command line's.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// What every variable of ours begins with.
pub(crate) const PREFIX: &str = "CLAVIGER_";

/// The variables that begin with [`PREFIX`], by name. One that is not UTF-8 is shown as it can be: it will
/// not fit whatever it is for, and be named.
#[expect(clippy::disallowed_methods, reason = "the one place of the program that asks for variables")]
pub(crate) fn ours() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX).then(|| (name, value.to_string_lossy().into_owned()))
        })
        .collect()
}

/// What to type to run this program: its name if the shell finds it, its path otherwise.
#[expect(clippy::disallowed_methods, reason = "the one place of the program that asks for variables")]
pub(crate) fn own_command() -> String {
    const NAME: &str = "claviger";
    let Ok(own) = env::current_exe().and_then(|path| path.canonicalize()) else { return NAME.to_owned() };
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| folder.join(NAME)).find(|path| path.is_file());
    match found.and_then(|path| path.canonicalize().ok()) {
        Some(found) if found == own => NAME.to_owned(),
        _ => own.display().to_string(),
    }
}

/// Where programs are looked for.
#[expect(clippy::disallowed_methods, reason = "the one place of the program that asks for variables")]
pub(crate) fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// The folder of the user's own configuration, as the XDG specification has it.
#[expect(clippy::disallowed_methods, reason = "the one place of the program that asks for variables")]
pub(crate) fn user_configuration_folder() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("claviger"))
}
