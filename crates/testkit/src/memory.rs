//! The memory of a running process, kept as it was at one moment, so that a test can look for what must not be
//! in it after the test itself has come to know what that is.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

use memchr::memmem::Finder;

/// How much is read at once. What lies across two pieces is found too.
const PIECE: usize = 1 << 20;

/// All that one process could read of its own memory at one moment.
#[derive(Debug)]
pub struct Memory {
    kept: File,
}

impl Memory {
    /// The memory of the process, which may go on meanwhile. Reading it takes the rights of a debugger: root's,
    /// or those over a process that may be dumped.
    #[track_caller]
    pub fn of(process: u32) -> Self {
        Self::read(process).unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => panic!(
                "the memory of process {process} is closed to this test, as it is to every other process of \
                 the user: run the test as root, or with CAP_SYS_PTRACE"
            ),
            _ => panic!("read the memory of process {process}: {error}"),
        })
    }

    fn read(process: u32) -> io::Result<Self> {
        let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
        let memory = File::open(format!("/proc/{process}/mem"))?;
        let mut kept = tempfile::tempfile()?;
        let mut piece = vec![0; PIECE];
        for (from, to) in maps.lines().filter_map(readable) {
            let mut at = from;
            while at < to {
                let length = usize::try_from(to - at).unwrap_or(PIECE).min(PIECE);
                // What was unmapped meanwhile, or belongs to a device, can't be read.
                let Ok(count @ 1..) = memory.read_at(&mut piece[..length], at) else { break };
                kept.write_all(&piece[..count])?;
                at += count as u64;
            }
            // Between two regions nothing is found that is in neither.
            kept.write_all(&[0; 64])?;
        }
        Ok(Self { kept })
    }

    /// Whether the bytes are anywhere in it.
    #[track_caller]
    pub fn contains(&self, wanted: &[u8]) -> bool {
        assert!(wanted.len() >= 8, "{} bytes are found anywhere", wanted.len());
        let (mut kept, finder) = (&self.kept, Finder::new(wanted));
        kept.seek(SeekFrom::Start(0)).expect("go to its beginning");
        let mut window = Vec::with_capacity(PIECE + wanted.len());
        loop {
            let before = window.len();
            kept.take(PIECE as u64).read_to_end(&mut window).expect("read what was kept");
            if window.len() == before {
                return false;
            }
            if finder.find(&window).is_some() {
                return true;
            }
            window.drain(..window.len().saturating_sub(wanted.len() - 1));
        }
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        self.kept.metadata().map_or(0, |metadata| metadata.len())
    }
}

/// The bounds of a region that the process can read.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    rights.starts_with('r').then_some(())?;
    Some((address(from)?, address(to)?))
}
