//! Files beside frames: an open socket travels with the message that is about it (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// The most files that one message has beside it: an agent's listener, and what ends the agent.
pub(crate) const MOST_FILES: usize = 2;

/// Reads a socket, and keeps the files that came with what was read.
pub(crate) struct Source {
    socket: UnixStream,
    files: Vec<OwnedFd>,
}

impl Source {
    pub(crate) const fn new(socket: UnixStream) -> Self {
        Self { socket, files: Vec::new() }
    }

    /// The files that came since this was asked last.
    pub(crate) fn take_files(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.files)
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let read = recvmsg(&self.socket, &mut [IoSliceMut::new(into)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                // Those beyond what any message has are closed here.
                let room = MOST_FILES - self.files.len();
                self.files.extend(files.take(room));
            }
        }
        Ok(read.bytes)
    }
}

/// Writes a socket, the first bytes with files beside them.
pub(crate) struct WithFiles<'a> {
    socket: &'a UnixStream,
    files: &'a [BorrowedFd<'a>],
}

impl<'a> WithFiles<'a> {
    pub(crate) const fn new(socket: &'a UnixStream, files: &'a [BorrowedFd<'a>]) -> Self {
        Self { socket, files }
    }
}

impl Write for WithFiles<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !self.files.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(self.files)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let written = sendmsg(self.socket, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL)?;
        self.files = &[];
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_arrives_with_its_message_and_no_more_than_a_message_has() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (one, other) = UnixStream::pair().expect("a pair");
        let files = [std::os::fd::AsFd::as_fd(&one), std::os::fd::AsFd::as_fd(&other)];
        WithFiles::new(&ours, &files).write_all(b"abcd").expect("written");
        WithFiles::new(&ours, &[]).write_all(b"efgh").expect("written");
        WithFiles::new(&ours, &files).write_all(b"ijkl").expect("written");
        let (mut source, mut part) = (Source::new(theirs), [0; 4]);
        source.read_exact(&mut part).expect("read");
        assert_eq!((&part, source.take_files().len()), (b"abcd", 2));
        source.read_exact(&mut part).expect("read");
        assert_eq!((&part, source.take_files().len()), (b"efgh", 0));
        source.read_exact(&mut part).expect("read");
        let mut received = source.take_files().into_iter().map(UnixStream::from);
        let (mut first, mut second) = (received.next().expect("a file"), received.next().expect("another"));
        first.write_all(b"x").expect("written");
        second.read_exact(&mut part[..1]).expect("the same two sockets");
        assert_eq!(&part, b"xjkl");
    }
}
