//! Nothing of the keeper's secrets is to be found where others can look. Each search first finds what was
//! planted.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use claviger_keeper::sandbox;
use rustix::io::{FdFlags, fcntl_setfd};

use crate::support::*;

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Files of `/proc` that belong to a process which can't be dumped are root's: whoever is not root is
/// refused, which is as good as not finding anything.
fn of_process<T>(read: io::Result<T>) -> Option<T> {
    match read {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn neither_side_can_be_dumped() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    assert!(!keeper.health().expect("health").dumpable);
    assert!(!sandbox::is_dumpable(), "the parent, which has the digest keys");
    let memory = File::open(format!("/proc/{}/mem", process_of(&keeper)));
    if !rustix::process::geteuid().is_root() {
        assert_eq!(memory.expect_err("closed").kind(), io::ErrorKind::PermissionDenied);
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", process_of(&keeper))).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[test]
fn its_memory_is_kept_out_of_swap_or_it_is_said_that_it_is_not() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let locked = keeper.health().expect("health").memory_locked;
    let warned = keeper.status().warnings.iter().any(|warning| warning.contains("may reach the swap"));
    assert_eq!(locked, !warned);
    let status = fs::read_to_string(format!("/proc/{}/status", process_of(&keeper))).expect("its state");
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("locked memory");
    assert_eq!(kilobytes.trim() != "0 kB", locked, "{kilobytes}");
}

#[test]
fn its_arguments_and_environment_hold_nothing_secret() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let process = process_of(&keeper);
    let arguments = fs::read(format!("/proc/{process}/cmdline")).expect("its arguments");
    assert!(contains(&arguments, folder.path().as_os_str().as_encoded_bytes()), "the folder is there");
    let master = fs::read(folder.path().join("master.key")).expect("read");
    for form in [master.clone(), hex::encode(&master).into_bytes()] {
        assert!(!contains(&arguments, &form));
    }
    // The parent has an environment to inherit.
    assert!(!fs::read("/proc/self/environ").expect("its environment").is_empty());
    if let Some(environment) = of_process(fs::read(format!("/proc/{process}/environ"))) {
        assert_eq!(environment, b"");
    }
}

#[test]
fn it_holds_no_file_but_its_own() {
    let folder = folder();
    let leaked = folder.path().join("left-open-for-all-children");
    let file = File::create(&leaked).expect("made");
    fcntl_setfd(&file, FdFlags::empty()).expect("inherited from now on");
    let keeper = spawn(options(folder.path()));
    let held = format!("/proc/{}/fd", process_of(&keeper));
    let Some(entries) = of_process(fs::read_dir(&held)) else { return };
    let mut names: Vec<String> = entries
        .map(|entry| fs::read_link(entry.expect("an entry").path()).expect("a link"))
        .map(|target| name_of(&target))
        .collect();
    fcntl_setfd(&file, FdFlags::CLOEXEC).expect("no longer inherited");
    names.sort_unstable();
    names.dedup();
    // The errors of the keeper are those of the test, whatever they are.
    names.retain(|name| name == "left-open-for-all-children" || !is_errors(name));
    assert_eq!(names, ["journal", "lock", "null", "socket"]);
}

fn name_of(target: &Path) -> String {
    let text = target.display().to_string();
    if text.starts_with("socket:") {
        "socket".into()
    } else {
        text.rsplit('/').next().unwrap_or_default().into()
    }
}

fn is_errors(name: &str) -> bool {
    fs::read_link("/proc/self/fd/2").is_ok_and(|target| name_of(&target) == name && name != "null")
}

/// What makes chance anew after the machine was copied is set up at the first draw of aws-lc, by files and memory
/// that the enclosed process no longer gets. It is there when the memory of that moment is, which a copy of the
/// process finds empty ("wf").
#[test]
fn the_library_that_signs_has_drawn_chance_before_the_keeper_gave_up_files() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let maps = fs::read_to_string(format!("/proc/{}/smaps", process_of(&keeper)));
    let Some(maps) = of_process(maps) else { return };
    let flags = maps.lines().filter_map(|line| line.strip_prefix("VmFlags:"));
    assert!(flags.into_iter().any(|flags| flags.split_whitespace().any(|flag| flag == "wf")), "{maps}");
}

#[test]
fn its_folder_holds_no_plaintext() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let sealed = seal(&keeper, "clv_key_very_secret");
    open(&keeper, &sealed, "mbr_planted").expect("opened");
    let mut all = Vec::new();
    for file in ["journal", "root.sealed", "lock"] {
        all.extend(fs::read(folder.path().join("keeper").join(file)).expect("read"));
    }
    assert!(contains(&all, b"mbr_planted"), "the journal names the actor");
    assert!(!contains(&all, b"very_secret"));
    assert!(!contains(&all, &fs::read(folder.path().join("master.key")).expect("read")));
}

#[test]
fn it_has_given_up_all_that_it_does_not_need_or_says_what_is_missing() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let (health, status) = (keeper.health().expect("health"), keeper.status());
    for (holds, what) in [(health.seccomp, "seccomp"), (health.landlock, "Landlock")] {
        let warned = status.warnings.iter().any(|warning| warning.contains(&format!("confined by {what}")));
        assert_eq!(holds, !warned, "{what}: {:?}", status.warnings);
    }
    let state = fs::read_to_string(format!("/proc/{}/status", process_of(&keeper))).expect("its state");
    let mode = state.lines().find_map(|line| line.strip_prefix("Seccomp:")).expect("its mode");
    assert_eq!(mode.trim() == "2", health.seccomp, "{mode}");
    // It goes on with all its work.
    let sealed = seal(&keeper, "text");
    assert!(open(&keeper, &sealed, "mbr_a").is_ok());
}
