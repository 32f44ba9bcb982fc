//! The configuration of one `ssh`, which reads no other. Files are named without their folder, which is the one that
//! it is started in: a folder's name can then mean nothing to ssh.

use std::net::SocketAddr;
use std::time::Duration;

use claviger_domain::git::{GitAddress, HostKey};

/// What ssh calls the host on its command line; all about it is in the configuration.
pub(super) const HOST: &str = "git-host";
pub(crate) const KNOWN_HOSTS: &str = "known_hosts";

/// How ssh is to introduce itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignIn<'a> {
    /// Not at all: the host is asked for its key, and nothing else.
    Nobody,
    /// To the host with this key alone, by the agent at this socket.
    Agent { socket: &'a str, host_key: &'a HostKey },
}

/// What is always so. Whatever would start a program, forward something, ask a person, read a file of the user's or
/// believe another source is off. What some builds of ssh lack is not named, and needs not be: nothing of GSSAPI,
/// PKCS #11 or security keys is used unless something asks for it, and no other configuration is read.
const ALWAYS: &str = "\
AddKeysToAgent no
BatchMode yes
CanonicalizeHostname no
CertificateFile none
CheckHostIP no
ClearAllForwardings yes
Compression no
ConnectionAttempts 1
ControlMaster no
ControlPath none
ControlPersist no
EnableSSHKeysign no
EscapeChar none
ExitOnForwardFailure yes
ForkAfterAuthentication no
ForwardAgent no
ForwardX11 no
GlobalKnownHostsFile none
HashKnownHosts no
HostbasedAuthentication no
IdentitiesOnly no
IdentityFile none
KbdInteractiveAuthentication no
KnownHostsCommand none
LogLevel INFO
NoHostAuthenticationForLocalhost no
NumberOfPasswordPrompts 0
PasswordAuthentication no
PermitLocalCommand no
ProxyCommand none
ProxyJump none
RemoteCommand none
RequestTTY no
ServerAliveCountMax 2
ServerAliveInterval 15
SessionType default
StdinNull no
TCPKeepAlive yes
Tunnel no
UpdateHostKeys no
VerifyHostKeyDNS no
VisualHostKey no
";

/// The text of the file.
pub(crate) fn configuration(
    address: &GitAddress,
    checked: SocketAddr,
    connect: Duration,
    sign_in: SignIn<'_>,
) -> String {
    let (host, user) = (checked.ip(), address.user());
    let (port, seconds) = (checked.port(), connect.as_secs().max(1));
    let (alias, known) = (address.host().bare(), KNOWN_HOSTS);
    let about_the_host = format!(
        "HostName {host}\nPort {port}\nUser {user}\nHostKeyAlias {alias}\nUserKnownHostsFile {known}\n\
         ConnectTimeout {seconds}\n"
    );
    let about_us = match sign_in {
        SignIn::Nobody => "IdentityAgent none\nPubkeyAuthentication no\nPreferredAuthentications none\n\
             StrictHostKeyChecking accept-new\nHostKeyAlgorithms ssh-ed25519,ecdsa-sha2-nistp256,\
             ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256\n"
            .to_owned(),
        SignIn::Agent { socket, host_key } => format!(
            "IdentityAgent {socket}\nPubkeyAuthentication yes\nPreferredAuthentications publickey\n\
             StrictHostKeyChecking yes\nHostKeyAlgorithms {}\n",
            signatures(host_key)
        ),
    };
    [ALWAYS, &about_the_host, &about_us].concat()
}

/// A host has keys of several kinds: it is asked to prove itself by the one that is pinned.
fn signatures(key: &HostKey) -> &str {
    match key.kind() {
        "ssh-rsa" => "rsa-sha2-512,rsa-sha2-256",
        kind => kind,
    }
}

/// The one line of the file of known hosts.
pub(crate) fn known_hosts(address: &GitAddress, key: &HostKey) -> String {
    format!("{} {key}\n", address.host().bare())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> GitAddress {
        "ssh://j.doe@git.example:2222/orders.git".parse().expect("an address")
    }

    #[test]
    fn ssh_goes_to_the_address_that_was_checked_and_expects_the_hosts_own_name() {
        let fields = [&[0, 0, 0, 7][..], b"ssh-rsa", &[0, 0, 0, 1, 3], &[0, 0, 1, 0], &[0xff; 256]];
        let key = HostKey::from_blob(fields.concat()).expect("a key");
        let sign_in = SignIn::Agent { socket: "agent-1", host_key: &key };
        let checked = "192.0.2.7:2222".parse().expect("an address");
        let text = configuration(&address(), checked, Duration::from_secs(10), sign_in);
        for line in [
            "HostName 192.0.2.7",
            "Port 2222",
            "User j.doe",
            "HostKeyAlias git.example",
            "HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256",
            "StrictHostKeyChecking yes",
            "IdentityAgent agent-1",
            "ProxyCommand none",
            "ForwardAgent no",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}: {text}");
        }
        let known = known_hosts(&address(), &key);
        assert!(
            known.starts_with("git.example ssh-rsa AAAAB3NzaC1yc2EAAAABAwAAAQD") && known.ends_with("\n")
        );
    }

    #[test]
    fn the_first_question_is_asked_without_an_agent() {
        let checked = "[2001:db8::7]:22".parse().expect("an address");
        let text = configuration(&address(), checked, Duration::from_millis(10), SignIn::Nobody);
        assert!(text.contains("\nIdentityAgent none\nPubkeyAuthentication no\n"), "{text}");
        assert!(text.contains("\nHostName 2001:db8::7\nPort 22\n"), "{text}");
        assert!(text.contains("\nConnectTimeout 1\n"), "{text}");
    }
}
