//! Many connections on one thread: the kernel says on which there is something to read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

/// How many are told of at once.
const AT_ONCE: usize = 256;
/// No message here is longer.
const LONGEST: usize = 16 << 10;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What is waited for.
pub(super) struct Poll {
    kernel: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    pub(super) fn new() -> Result<Self> {
        let kernel = epoll::create(CreateFlags::CLOEXEC).context("epoll")?;
        Ok(Self { kernel, events: Vec::with_capacity(AT_ONCE) })
    }

    /// Waits for this too, and calls it `number`.
    pub(super) fn add(&self, of: &impl AsFd, number: usize) -> Result<()> {
        epoll::add(&self.kernel, of, EventData::new_u64(number as u64), EventFlags::IN).context("epoll")
    }

    /// The numbers of those that have something to read; none when nothing came for so long.
    pub(super) fn wait(&mut self, patience: Duration) -> Result<impl Iterator<Item = usize>> {
        self.look(patience)?;
        Ok(self.ready())
    }

    /// The same without sleeping. Who sleeps is woken at the cost of whoever sends to it, and a slow server finds it
    /// asleep more often than a fast one: it would pay for being slow twice.
    pub(super) fn watch(&mut self, patience: Duration) -> Result<impl Iterator<Item = usize>> {
        let deadline = Instant::now() + patience;
        while !self.look(Duration::ZERO)? && Instant::now() < deadline {
            thread::yield_now();
        }
        Ok(self.ready())
    }

    /// Whether there is anything to read.
    fn look(&mut self, patience: Duration) -> Result<bool> {
        self.events.clear();
        let patience = patience.try_into().context("a time that the kernel can wait")?;
        let mut wait = || epoll::wait(&self.kernel, spare_capacity(&mut self.events), Some(&patience));
        while let Err(error) = wait() {
            if error != Errno::INTR {
                return Err(error).context("epoll");
            }
        }
        Ok(!self.events.is_empty())
    }

    fn ready(&self) -> impl Iterator<Item = usize> {
        // The numbers were usize when they were given.
        self.events.iter().map(|event| event.data.u64() as usize)
    }
}

/// A connection with what has come of the next message.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    buffer: Box<[u8; LONGEST]>,
    filled: usize,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Box::new([0; LONGEST]), filled: 0 })
    }

    /// One message is shorter than what a socket takes at once.
    pub(super) fn say(&mut self, message: &[u8]) -> Result<()> {
        self.stream.write_all(message).context("send")
    }

    /// Reads once what is there; false: the other side has ended.
    pub(super) fn read(&mut self) -> Result<bool> {
        ensure!(self.filled < LONGEST, "a message of more than {LONGEST} bytes");
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.filled += read;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error).context("receive"),
        }
    }

    /// The message, once all of it is there: its head and its body.
    pub(super) fn message(&self) -> Result<Option<(&[u8], &[u8])>> {
        let received = &self.buffer[..self.filled];
        let Some(end) = received.windows(END_OF_HEAD.len()).position(|it| it == END_OF_HEAD) else {
            return Ok(None);
        };
        let (head, rest) = received.split_at(end + END_OF_HEAD.len());
        let length = content_length(head)?;
        ensure!(
            rest.len() <= length,
            "more came than was asked for: {:?}",
            String::from_utf8_lossy(received)
        );
        Ok((rest.len() == length).then_some((head, rest)))
    }

    /// The message was looked at: the next may come.
    pub(super) fn forget(&mut self) {
        self.filled = 0;
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"content-length:";
    let given = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    });
    match given {
        Some(value) => Ok(std::str::from_utf8(value)?.trim().parse()?),
        None => Ok(0),
    }
}
