//! A real Git host: OpenSSH's server and bare repositories, run as the user of the tests. What a host forbids is
//! forbidden by real means: forced commands, hooks, and Git's own configuration.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::{Port, free_port};
use crate::process::Process;
use crate::programs;

const PACKAGE: &str = "openssh-server";

/// `sshd` on loopback with a key of its own, and the repositories behind it. Ends when dropped.
#[derive(Debug)]
pub struct GitHost {
    process: Option<Process>,
    port: Port,
    folder: TempDir,
    keys: u32,
}

impl GitHost {
    /// Starts it with an Ed25519 key of its own, and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with("ed25519")
    }

    /// The same with a key of another kind: `ecdsa`, `rsa`, or `rsa-BITS`.
    #[track_caller]
    pub fn start_with(kind: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("claviger-sshd-").tempdir().expect("a folder");
        fs::write(folder.path().join("authorized_keys"), "").expect("write who may come in");
        let mut host = Self { process: None, port: free_port(), folder, keys: 0 };
        host.start_again_with(kind);
        host
    }

    /// Starts it again on the same port, with another key.
    #[track_caller]
    pub fn start_again_with(&mut self, kind: &str) {
        self.stop();
        self.keys += 1;
        let folder = self.folder.path();
        make_key(&self.host_key_file(), kind);
        if rustix::process::getuid().is_root() {
            // Where root's sshd locks itself in; a start script makes it otherwise.
            fs::create_dir_all("/run/sshd").expect("make sshd's empty folder");
        }
        let configuration = folder.join("sshd_config");
        fs::write(&configuration, self.configuration()).expect("write sshd's configuration");
        let mut command = Command::new(programs::find("sshd", PACKAGE));
        command.args(["-D", "-e", "-f"]).arg(&configuration);
        let log = folder.join("log");
        // Whoever is connected has a process of their own, which leaves the group.
        let mut process = Process::start("sshd", &mut command, &log, Signal::TERM, folder);
        let address = self.port.address();
        process.wait_until("answering", || std::net::TcpStream::connect(address).is_ok());
        self.process = Some(process);
    }

    /// Stops listening. Its port stays its own.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end_with(Signal::TERM);
        }
    }

    pub const fn port(&self) -> &Port {
        &self.port
    }

    /// Who signs in: the user of the tests.
    pub fn user(&self) -> String {
        let said = output(Command::new("id").arg("-un"), None);
        String::from_utf8(said).expect("a name").trim().to_owned()
    }

    /// The public half of its key: its kind, and its bytes in Base64.
    pub fn host_key(&self) -> String {
        let line = fs::read_to_string(self.host_key_file().with_extension("pub")).expect("its public key");
        line.split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned()
    }

    /// `ssh://user@NAME:PORT/…`, by any name under which this machine is known.
    pub fn address(&self, name: &str, repository: &Repository) -> String {
        format!("ssh://{}@{name}:{}{}", self.user(), self.port, repository.path().display())
    }

    /// Lets whoever has this key do anything.
    #[track_caller]
    pub fn authorize(&self, public_key: &str) {
        self.authorize_with("restrict", public_key);
    }

    /// Lets whoever has this key read, as a deploy key may: what else they ask is answered as hosts do.
    #[track_caller]
    pub fn authorize_to_read(&self, public_key: &str) {
        let script = self.folder.path().join("read-only");
        let shell = programs::find("git-shell", "git");
        let text = format!(
            "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n\
             git-upload-pack*) exec {} -c \"$SSH_ORIGINAL_COMMAND\" ;;\n\
             *) echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2; exit 1 ;;\n\
             esac\n",
            shell.display()
        );
        write_program(&script, &text);
        self.authorize_with(&format!("restrict,command=\"{}\"", script.display()), public_key);
    }

    /// With options as `authorized_keys` has them.
    #[track_caller]
    pub fn authorize_with(&self, options: &str, public_key: &str) {
        let path = self.folder.path().join("authorized_keys");
        let mut file = fs::File::options().append(true).open(path).expect("open who may come in");
        writeln!(file, "{options} {public_key}").expect("write who may come in");
    }

    /// Nobody may come in any more.
    #[track_caller]
    pub fn forget_everybody(&self) {
        fs::write(self.folder.path().join("authorized_keys"), "").expect("write who may come in");
    }

    /// A bare repository without a commit.
    #[track_caller]
    pub fn empty_repository(&self, name: &str) -> Repository {
        let repository = Repository { path: self.folder.path().join(name) };
        fs::create_dir(repository.path()).expect("make a repository's folder");
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main"]);
        repository
    }

    /// A bare repository whose branch `main` has one commit with these files.
    #[track_caller]
    pub fn repository(&self, name: &str, files: &[(&str, &[u8])]) -> Repository {
        let repository = self.empty_repository(name);
        repository.commit("main", files);
        repository
    }

    /// How many have come in so far.
    pub fn sign_ins(&self) -> usize {
        self.process.as_ref().map_or(0, |process| process.log().matches("Accepted publickey").count())
    }

    fn host_key_file(&self) -> PathBuf {
        self.folder.path().join(format!("host-key-{}", self.keys))
    }

    fn configuration(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {folder}/authorized_keys\n\
             AuthenticationMethods publickey\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nStrictModes no\nUsePAM no\nPidFile none\nMaxStartups 100\n\
             SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1\n",
            self.port,
            self.host_key_file().display(),
        )
    }
}

/// A bare repository of a host.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a commit with these files to the branch, which begins with it if there is none.
    #[track_caller]
    pub fn commit(&self, branch: &str, files: &[(&str, &[u8])]) {
        let entries: Vec<(&str, &str, String)> =
            files.iter().map(|(path, content)| ("100644", *path, self.keep(content))).collect();
        self.commit_entries(branch, &entries);
    }

    /// The same with entries of any kind: mode, path and id.
    #[track_caller]
    pub fn commit_entries(&self, branch: &str, entries: &[(&str, &str, String)]) {
        let tip = self.tip(branch);
        match &tip {
            Some(tip) => self.git(&["read-tree", tip]),
            None => self.git(&["read-tree", "--empty"]),
        };
        let lines: String = entries.iter().map(|(mode, path, id)| format!("{mode} {id}\t{path}\n")).collect();
        self.git_with(&["update-index", "--add", "--index-info"], lines.as_bytes());
        let tree = self.git(&["write-tree", "--missing-ok"]);
        self.commit_tree(branch, &tree);
    }

    /// Adds a commit of this tree to the branch.
    #[track_caller]
    pub fn commit_tree(&self, branch: &str, tree: &str) {
        let tip = self.tip(branch);
        let parent: Vec<&str> = tip.iter().flat_map(|tip| ["-p", tip.as_str()]).collect();
        let commit = self.git(&[&["commit-tree", "-m", "A change", tree][..], &parent].concat());
        self.git(&["update-ref", &format!("refs/heads/{branch}"), &commit]);
    }

    /// Keeps a file's content; its id.
    #[track_caller]
    pub fn keep(&self, content: &[u8]) -> String {
        self.git_with(&["hash-object", "-w", "--stdin", "--no-filters"], content)
    }

    /// The commit that a branch stands at.
    pub fn tip(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}^{{commit}}");
        let mut command = self.command(&["rev-parse", "--quiet", "--verify", &name]);
        let output = command.output().expect("run git");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What the branch has at the path.
    pub fn read(&self, branch: &str, path: &str) -> Option<Vec<u8>> {
        let mut command = self.command(&["cat-file", "blob", &format!("refs/heads/{branch}:{path}")]);
        let output = command.output().expect("run git");
        output.status.success().then_some(output.stdout)
    }

    /// Puts a hook in place.
    #[track_caller]
    pub fn hook(&self, name: &str, script: &str) {
        write_program(&self.path.join("hooks").join(name), &format!("#!/bin/sh\n{script}\n"));
    }

    /// What `git` says in it.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_with(arguments, b"")
    }

    /// Whether `git` does well with it.
    pub fn would(&self, arguments: &[&str]) -> bool {
        self.command(arguments).output().expect("run git").status.success()
    }

    /// What `git` says to this input.
    #[track_caller]
    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let said = output(&mut self.command(arguments), Some(input));
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::find("git", "git"));
        command.args(arguments).current_dir(&self.path).env_clear();
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Somebody");
            command.env(format!("GIT_{who}_EMAIL"), "somebody@example.org");
        }
        command
    }
}

#[track_caller]
fn make_key(path: &Path, kind: &str) {
    let mut command = Command::new(programs::find("ssh-keygen", "openssh-client"));
    let (kind, bits) = kind.split_once('-').map_or((kind, None), |(kind, bits)| (kind, Some(bits)));
    command.args(["-q", "-N", "", "-t", kind]).args(bits.map(|bits| format!("-b{bits}"))).arg("-f").arg(path);
    output(&mut command, None);
}

#[track_caller]
fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("let it be run");
}

/// What a program says, once it has done well.
#[track_caller]
fn output(command: &mut Command, input: Option<&[u8]>) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("start {command:?}: {e}"));
    let mut pipe = child.stdin.take().expect("a pipe to it");
    let input = input.unwrap_or_default().to_vec();
    // It may say much before it has read all.
    let told = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap_or_else(|e| panic!("wait for {command:?}: {e}"));
    let told = told.join().expect("no panic");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    told.unwrap_or_else(|e| panic!("write to {command:?}: {e}"));
    output.stdout
}
