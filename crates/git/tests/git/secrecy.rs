//! While a pull runs, the private half is nowhere near it: not in the memory of `git` or `ssh`, their arguments or
//! their environment, and in no file. What the server's own memory and the keeper's hold while somebody signs in is
//! searched by the keeper's tests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use claviger_domain::key_pairs::Algorithm;
use claviger_testkit::{Cell, GitHost, Memory, open_sealed, secrets_of};

use crate::support::*;

/// What one process has, kept as it was.
struct Kept {
    name: String,
    memory: Memory,
    arguments: Vec<u8>,
    environment: Vec<u8>,
}

fn keep(process: &Running) -> Kept {
    let read = |file: &str| fs::read(format!("/proc/{}/{file}", process.id)).expect("a process of ours");
    Kept {
        name: process.name.clone(),
        memory: Memory::of(process.id),
        arguments: read("cmdline"),
        environment: read("environ"),
    }
}

/// All that is in the files below a folder.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let (folders, rest): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let read = rest.into_iter().filter_map(|path| Some((path.clone(), fs::read(path).ok()?)));
    read.chain(folders.iter().flat_map(|folder| files(folder))).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|part| part == wanted)
}

/// The same search finds it in a process that was told it, and in a file.
fn demand_found_where_planted(secrets: &[Vec<u8>]) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("below")).expect("a folder");
    fs::write(folder.path().join("below/file"), secrets.concat()).expect("a file");
    let disk = files(folder.path());
    assert!(secrets.iter().all(|secret| disk.iter().any(|(_, bytes)| contains(bytes, secret))));
    let mut told = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
    told.stdin.as_mut().expect("its input").write_all(&secrets.concat()).expect("told");
    // It has it when it says it.
    let mut said = vec![0; secrets.concat().len()];
    told.stdout.as_mut().expect("its output").read_exact(&mut said).expect("said");
    let memory = Memory::of(told.id());
    assert!(secrets.iter().all(|secret| memory.contains(secret)));
    drop(told.stdin.take());
    told.wait().expect("it ends");
}

#[tokio::test]
async fn while_a_pull_runs_the_private_half_is_in_no_process_of_its_and_in_no_file() {
    let (bench, host) = (Bench::new(), GitHost::start());
    let repository = host.repository("orders.git", &[(PATH, DOCUMENT), ("noise", &noise(1_000_000))]);
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(*algorithm);
        host.forget_everybody();
        host.authorize(&signer.public_key);
        let remote = Relay::stalling(&host, 300_000).remote(&host, &repository);
        let (engine, agent) = (bench.engine.clone(), signer.clone());
        let job = tokio::spawn(async move { engine.fetch(&remote, agent).await });
        // Signed in, and in the middle of the pack.
        while !bench.is_taking_a_pack(100_000) {
            assert!(!job.is_finished(), "{algorithm}: {:?}", job.await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let kept: Vec<Kept> = bench.running().iter().map(keep).collect();
        let disk = [files(bench.folder()), files(signer.folder())].concat();
        job.abort();
        let cancelled = job.await.expect_err("it was in the middle");
        assert!(cancelled.is_cancelled());
        bench.demand_nothing_left();

        let names: Vec<&str> = kept.iter().map(|process| process.name.as_str()).collect();
        assert!(names.contains(&"git") && names.contains(&"ssh"), "{names:?}");
        let cell = Cell {
            database: PAIR.database,
            table: PAIR.table,
            row: PAIR.row,
            column: PAIR.column,
            purpose: "key_pair",
        };
        let secrets = secrets_of(&open_sealed(signer.folder(), cell, signer.sealed()));
        for process in &kept {
            let name = &process.name;
            // What is there is found: what each was started with.
            assert!(
                process.memory.contains(b"LC_ALL=C") && contains(&process.environment, b"LC_ALL=C"),
                "{name}"
            );
            for secret in &secrets {
                assert!(!process.memory.contains(secret), "{algorithm} in the memory of {name}");
                assert!(!contains(&process.arguments, secret), "{algorithm} in the arguments of {name}");
                assert!(!contains(&process.environment, secret), "{algorithm} in the environment of {name}");
            }
        }
        assert!(disk.iter().any(|(path, _)| path.ends_with("ssh_config")), "the job's files are there");
        for (path, bytes) in &disk {
            for secret in &secrets {
                assert!(!contains(bytes, secret), "{algorithm} in {}", path.display());
            }
        }
        demand_found_where_planted(&secrets);
    }
}
