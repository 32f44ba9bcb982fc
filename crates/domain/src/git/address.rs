//! Where a repository is: `git@host:path`, or `ssh://git@host[:port]/path`, and nothing else that Git would take.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{is_unwritten, written};

/// Why a text is no address of a repository. Its words are for the field's `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    #[error("must be git@host:path or ssh://git@host/path")]
    Form,
    #[error("must be reached over SSH: git@host:path or ssh://git@host/path")]
    Transport,
    #[error("must be at most {max} bytes long", max = GitAddress::MAX)]
    Length,
    #[error("must not contain control, invisible or direction-override characters, or blanks at its ends")]
    Control,
    #[error("must name a user: git@host:path")]
    NoUser,
    #[error("must not contain a password: the key pair is what signs in")]
    Password,
    #[error(
        "has a user of other characters than a-z, A-Z, 0-9, ., _, + and -, or one that begins with - or is too long"
    )]
    User,
    #[error("has a host that is neither a name nor an address; IPv6 stands in brackets")]
    Host,
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    #[error("has a repository path that is empty, begins with - or :, or goes through ..")]
    Repository,
    #[error("has an escape (%) in its path: write the character itself, or git@host:path")]
    Escape,
}

/// Whom a Git host knows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GitUser(String);

impl GitUser {
    pub const MAX: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GitUser {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let fits = (1..=Self::MAX).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidAddress::User) }
    }
}

impl fmt::Display for GitUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name in the DNS, in lower case, or an address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GitHost(Host);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl GitHost {
    /// As it is resolved: an IPv6 address without brackets.
    pub fn bare(&self) -> String {
        match &self.0 {
            Host::V6(ip) => ip.to_string(),
            _ => self.to_string(),
        }
    }
}

impl FromStr for GitHost {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner.parse().map(|ip| Self(Host::V6(ip))).map_err(|_| InvalidAddress::Host);
        }
        if let Ok(ip) = text.parse() {
            return Ok(Self(Host::V4(ip)));
        }
        let last = text.rsplit('.').next().unwrap_or_default();
        // `127.1` and `0x7f000001` are addresses to some resolvers: written otherwise than people read them.
        let is_number = last.starts_with(|c: char| c.is_ascii_digit())
            && (last.bytes().all(|byte| byte.is_ascii_digit()) || last[1..].starts_with(['x', 'X']));
        if text.len() > 253 || is_number || !text.split('.').all(is_label) {
            return Err(InvalidAddress::Host);
        }
        Ok(Self(Host::Name(text.to_ascii_lowercase())))
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl fmt::Display for GitHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Host::Name(name) => f.write_str(name),
            Host::V4(ip) => ip.fmt(f),
            Host::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// A repository behind SSH.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GitAddress {
    text: String,
    user: GitUser,
    host: GitHost,
    port: u16,
    /// Where in the text the path that its host is asked for begins.
    repository: usize,
}

impl GitAddress {
    pub const MAX: usize = 1_000;

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub const fn user(&self) -> &GitUser {
        &self.user
    }

    pub const fn host(&self) -> &GitHost {
        &self.host
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path that the host is asked for. It is quoted for the host's shell by whoever sends it.
    pub fn repository(&self) -> &str {
        &self.text[self.repository..]
    }
}

impl FromStr for GitAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if text.len() > Self::MAX {
            return Err(InvalidAddress::Length);
        }
        if text.chars().any(is_unwritten) || text.trim() != text {
            return Err(InvalidAddress::Control);
        }
        match text.split_once("://") {
            Some(("ssh", rest)) => parse_url(text, rest),
            Some((scheme, _)) if !scheme.contains('@') => Err(InvalidAddress::Transport),
            _ => parse_short(text),
        }
    }
}

/// `ssh://user@host[:port]/path`
fn parse_url(text: &str, rest: &str) -> Result<GitAddress, InvalidAddress> {
    let slash = rest.find('/').ok_or(InvalidAddress::Form)?;
    let (authority, path) = rest.split_at(slash);
    let (user, host) = authority.rsplit_once('@').ok_or(InvalidAddress::NoUser)?;
    if user.contains(':') {
        return Err(InvalidAddress::Password);
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse_port()?),
        _ => (host, 22),
    };
    if path.contains('%') {
        return Err(InvalidAddress::Escape);
    }
    // As Git does it: `/~somebody/…` stands in a home folder.
    let path = if path.starts_with("/~") { &path[1..] } else { path };
    address(text, user, host, port, path)
}

/// `user@host:path`
fn parse_short(text: &str) -> Result<GitAddress, InvalidAddress> {
    let (user, rest) = text.split_once('@').ok_or(InvalidAddress::Form)?;
    if user.contains([':', '/']) {
        return Err(InvalidAddress::Form);
    }
    let colon = match rest.strip_prefix('[') {
        Some(inner) => inner.find("]:").map(|at| at + 2),
        None => rest.find(':'),
    };
    let colon = colon.ok_or(InvalidAddress::Form)?;
    address(text, user, &rest[..colon], 22, &rest[colon + 1..])
}

fn address(text: &str, user: &str, host: &str, port: u16, path: &str) -> Result<GitAddress, InvalidAddress> {
    if user.is_empty() {
        return Err(InvalidAddress::NoUser);
    }
    let (user, host) = (user.parse()?, host.parse()?);
    let is_nothing = path.trim_matches('/').is_empty();
    if is_nothing || path.starts_with(['-', ':']) || path.split('/').any(|part| part == "..") {
        return Err(InvalidAddress::Repository);
    }
    Ok(GitAddress { text: text.to_owned(), user, host, port, repository: text.len() - path.len() })
}

trait ParsePort {
    fn parse_port(&self) -> Result<u16, InvalidAddress>;
}

impl ParsePort for str {
    /// `+22` is a number to Rust, and nothing to ssh.
    fn parse_port(&self) -> Result<u16, InvalidAddress> {
        let digits = self.bytes().all(|byte| byte.is_ascii_digit());
        let number = self.parse().ok().filter(|port| digits && *port > 0);
        number.ok_or(InvalidAddress::Port)
    }
}

impl fmt::Display for GitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

written!(GitUser, GitHost, GitAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_repositories_are_taken_apart() {
        for (text, user, host, port, repository) in [
            ("git@github.com:acme/orders.git", "git", "github.com", 22, "acme/orders.git"),
            ("git@GitHub.com:acme/orders.git", "git", "github.com", 22, "acme/orders.git"),
            ("git@git.example:/srv/orders.git", "git", "git.example", 22, "/srv/orders.git"),
            ("git@git.example:~ops/orders.git", "git", "git.example", 22, "~ops/orders.git"),
            ("git@10.0.0.7:a b's.git", "git", "10.0.0.7", 22, "a b's.git"),
            ("git@[fd12::1]:orders.git", "git", "fd12::1", 22, "orders.git"),
            ("git@git.example:2222/orders.git", "git", "git.example", 22, "2222/orders.git"),
            ("git@git.example:a@b:c.git", "git", "git.example", 22, "a@b:c.git"),
            ("ssh://git@git.example/orders.git", "git", "git.example", 22, "/orders.git"),
            ("ssh://j.doe+x@git.example:2222/a/b", "j.doe+x", "git.example", 2222, "/a/b"),
            ("ssh://git@git.example/~ops/b", "git", "git.example", 22, "~ops/b"),
            ("ssh://git@[::1]:22/b", "git", "::1", 22, "/b"),
            ("ssh://git@[::1]/b", "git", "::1", 22, "/b"),
            (
                "ssh://APKAEIBAERJR2EXAMPLE@git-codecommit.eu-west-1.amazonaws.com/v1/repos/orders",
                "APKAEIBAERJR2EXAMPLE",
                "git-codecommit.eu-west-1.amazonaws.com",
                22,
                "/v1/repos/orders",
            ),
        ] {
            let address: GitAddress = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(address.user().as_str(), user, "{text}");
            assert_eq!(address.host().bare(), host, "{text}");
            assert_eq!(address.port(), port, "{text}");
            assert_eq!(address.repository(), repository, "{text}");
            assert_eq!(address.to_string(), text);
            let json = serde_json::to_string(&address).expect("JSON");
            assert_eq!(serde_json::from_str::<GitAddress>(&json).expect("the same"), address);
        }
    }

    #[test]
    fn hostile_addresses_are_refused() {
        use InvalidAddress::{
            Control, Escape, Form, Host, Length, NoUser, Password, Port, Repository, Transport, User,
        };
        for (text, why) in [
            ("", Form),
            ("-oProxyCommand=id", Form),
            ("/srv/orders.git", Form),
            ("./orders.git", Form),
            ("git.example:orders.git", Form),
            ("ext::sh -c id", Form),
            ("ext::sh -c 'id >@host:x'", Form),
            ("fd::17/foo", Form),
            ("host:a@b:c", Form),
            ("dir/git@host:x", Form),
            ("git@host", Form),
            ("git@[::1]", Form),
            ("ssh://git@host", Form),
            ("file:///srv/orders.git", Transport),
            ("https://github.com/acme/orders.git", Transport),
            ("git://github.com/acme/orders.git", Transport),
            ("git+ssh://git@github.com/acme/orders.git", Transport),
            ("ssh+git://git@github.com/acme/orders.git", Transport),
            ("SSH://git@github.com/acme/orders.git", Transport),
            ("ext::ssh://x", Transport),
            ("@host:x", NoUser),
            ("ssh://host/x", NoUser),
            ("ssh://@host/x", NoUser),
            ("ssh://git:hunter2@host/x", Password),
            ("-oProxyCommand=id@host:x", User),
            ("-l@host:x", User),
            ("a b@host:x", User),
            ("%r@host:x", User),
            ("$HOME@host:x", User),
            ("gi\u{2019}t@host:x", User),
            ("ssh://-oProxyCommand=id@host/x", User),
            ("ssh://a@b@host/x", User),
            ("git@-oProxyCommand=id:x", Host),
            ("git@:x", Host),
            ("git@ho st:x", Host),
            ("git@host%eth0:x", Host),
            ("git@a..b:x", Host),
            ("git@host.:x", Host),
            ("git@*:x", Host),
            ("git@a,b:x", Host),
            ("git@$(id):x", Host),
            ("git@h\u{f6}st:x", Host),
            ("git@127.1:x", Host),
            ("git@2130706433:x", Host),
            ("git@0x7f000001:x", Host),
            ("git@0177.0.0.1.:x", Host),
            ("git@127.0.0.01:x", Host),
            ("git@[fe80::1%eth0]:x", Host),
            ("git@[host]:x", Host),
            ("ssh://git@-oProxyCommand=id/x", Host),
            ("ssh://git@[::1/x", Host),
            ("ssh://git@::1/x", Host),
            ("ssh://git@host:0/x", Port),
            ("ssh://git@host:/x", Port),
            ("ssh://git@host:+22/x", Port),
            ("ssh://git@host:65536/x", Port),
            ("ssh://git@host:-22/x", Port),
            ("git@host:", Repository),
            ("git@host:/", Repository),
            ("git@host:-x", Repository),
            ("git@host:--upload-pack=id", Repository),
            ("git@host::x", Repository),
            ("git@host:../x", Repository),
            ("git@host:a/../x", Repository),
            ("ssh://git@host/", Repository),
            ("ssh://git@host/a/..", Repository),
            ("ssh://git@host/a%0ab", Escape),
            ("git@host:a\nb", Control),
            ("git@host:a\0b", Control),
            ("git@host:a\u{1b}[2Jb", Control),
            ("git@host:a\u{202e}b", Control),
            ("git@host:a\u{85}b", Control),
            ("git@ho\tst:x", Control),
            (" git@host:x", Control),
            ("git@host:x\n", Control),
            (&format!("git@host:{}", "x".repeat(GitAddress::MAX)), Length),
        ] {
            assert_eq!(text.parse::<GitAddress>(), Err(why), "{text:?}");
        }
    }
}
