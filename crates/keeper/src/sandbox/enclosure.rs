//! What the process gives up once it stands: it has all its files by then, and needs no others, no network, no
//! other program and no new code. Landlock takes the files and the network away, seccomp every system call but
//! those of waiting, answering, signing and keeping its journal; where the kernel has them.
//!
//! A call that is not on the list fails with `EPERM` and does not kill: an allocator or a C library that tries
//! something new is refused it, and goes on.

use std::error::Error;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, Ruleset,
    RulesetAttr as _, Scope,
};
use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};

/// What the first version of Landlock, of Linux 5.13, did not take away, and since which it does.
const TAKEN_LATER: [(ABI, &str); 3] = [
    (ABI::V3, "shortening files (since Linux 6.2)"),
    (ABI::V4, "TCP ports (since Linux 6.7)"),
    (ABI::V6, "signals and abstract sockets (since Linux 6.12)"),
];

/// What of it holds, as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Enclosure {
    pub(crate) seccomp: bool,
    pub(crate) landlock: bool,
}

/// Gives up what the kernel lets it. What it does not is warned of.
pub(crate) fn enclose(warnings: &mut Vec<String>) -> Enclosure {
    let mut holds = |what: &str, done: Result<(), Box<dyn Error>>| match done {
        Ok(()) => true,
        Err(reason) => {
            warnings.push(format!(
                "the keeper is not confined by {what} ({reason}). It works, and one line of defence is \
                 missing; use a kernel, or a container's settings, that have it"
            ));
            false
        }
    };
    // Landlock first: its own system calls are not on seccomp's list.
    let landlock = holds("Landlock", give_up_files());
    Enclosure { seccomp: holds("seccomp", give_up_calls()), landlock }
}

/// No file and no port can be opened from here on, by no name; what is open stays.
fn give_up_files() -> Result<(), Box<dyn Error>> {
    let newest = ABI::V9;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .restrict_self()?;
    Ok(is_whole(status.landlock)?)
}

/// Whether that kernel's Landlock takes away all that is promised, and if not, what it leaves.
fn is_whole(landlock: LandlockStatus) -> Result<(), String> {
    let LandlockStatus::Available { effective_abi, .. } = landlock else {
        return Err("the kernel does not have it".into());
    };
    let left: Vec<&str> =
        TAKEN_LATER.iter().filter(|(since, _)| effective_abi < *since).map(|(_, what)| *what).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(format!("the kernel's is older and takes away opening files, but not {}", left.join(", ")))
}

fn give_up_calls() -> Result<(), Box<dyn Error>> {
    // What may be done with a thread's birth is in flags that a filter can't read, so that birth is declared
    // unknown, and the C library falls back to the one whose flags it can.
    let unknown = refusing(libc::ENOSYS, &[libc::SYS_clone3])?;
    let allowed = allowing()?;
    apply_filter_all_threads(&unknown)?;
    apply_filter_all_threads(&allowed)?;
    Ok(())
}

/// Calls that are always allowed: they can do nothing but with what the process has.
const ALWAYS: &[c_long] = &[
    // Talking to the parent and to agents' clients, and waiting for them.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_close,
    // The journal.
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time, chance, itself.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_geteuid,
];

fn allowing() -> Result<BpfProgram, Box<dyn Error>> {
    let is = |argument: u8, value: c_int| only(argument, SeccompCmpOp::Eq, value);
    let without = |argument: u8, bit: c_int| only(argument, SeccompCmpOp::MaskedEq(bits(bit)), 0);
    let with = |argument: u8, bit: c_int| only(argument, SeccompCmpOp::MaskedEq(bits(bit)), bit);
    let mut rules: Vec<(c_long, Vec<SeccompRule>)> = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend([
        // Memory that holds data, and never code.
        (libc::SYS_mmap, vec![without(2, libc::PROT_EXEC)?]),
        (libc::SYS_mprotect, vec![without(2, libc::PROT_EXEC)?]),
        // Threads, and never processes.
        (libc::SYS_clone, vec![with(0, libc::CLONE_THREAD)?]),
        // A socket that does not wait, and a second hold of one.
        (libc::SYS_ioctl, vec![only(1, SeccompCmpOp::Eq, c_int::try_from(libc::FIONBIO)?)?]),
        (libc::SYS_fcntl, vec![is(1, libc::F_DUPFD_CLOEXEC)?, is(1, libc::F_GETFL)?, is(1, libc::F_GETFD)?]),
        (libc::SYS_prctl, vec![is(0, libc::PR_GET_DUMPABLE)?, is(0, libc::PR_SET_NAME)?]),
    ]);
    let refused = SeccompAction::Errno(u32::try_from(libc::EPERM)?);
    let filter =
        SeccompFilter::new(rules.into_iter().collect(), refused, SeccompAction::Allow, architecture()?)?;
    Ok(filter.try_into()?)
}

fn refusing(with: c_int, calls: &[c_long]) -> Result<BpfProgram, Box<dyn Error>> {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(u32::try_from(with)?);
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture()?)?.try_into()?)
}

fn architecture() -> Result<seccompiler::TargetArch, Box<dyn Error>> {
    Ok(std::env::consts::ARCH.try_into()?)
}

fn only(argument: u8, is: SeccompCmpOp, value: c_int) -> Result<SeccompRule, Box<dyn Error>> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, bits(value))?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// The value as a filter compares it: 32 bits, whatever their sign.
fn bits(value: c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

#[cfg(test)]
mod tests;
