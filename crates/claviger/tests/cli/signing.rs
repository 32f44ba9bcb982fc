//! Signing as the whole program does it: what `doctor` makes of the keeper's journal, and that nobody but the
//! keeper ever has a private half.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use claviger_testkit::{Cell, Claviger, Memory, open_sealed, secrets_of};
use serde_json::{Value, json};

use super::workspace::{Workspace, id, retrievable};
use super::{Shell, claviger};

/// A pair that signs tokens.
fn pair(shell: &Shell<'_>, name: &str, algorithm: &str) -> String {
    let body = json!({"name": name, "algorithm": algorithm, "uses": ["jwt"]});
    id(&shell.block_on(shell.client().post("/v1/key-pairs").body(&body).send::<Value>()).unwrap().body)
}

fn token(shell: &Shell<'_>, pair: &str) -> String {
    let (path, body) =
        (format!("/v1/key-pairs/{pair}/sign-jwt"), json!({"claims": {"sub": "planted-subject"}}));
    let answer = shell.block_on(shell.client().post(&path).body(&body).send::<Value>()).unwrap().body;
    answer["jwt"].as_str().expect("a token").to_owned()
}

/// What `doctor` says of the keeper.
fn about_the_keeper(claviger: &Claviger) -> Vec<String> {
    let any = "127.0.0.1:0";
    let output = claviger.run_on_data(&["doctor", "--json", "--listen", any]);
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap().iter();
    let of = findings.filter(|finding| finding["about"] == "keeper");
    of.map(|finding| finding["detail"].as_str().unwrap().to_owned()).collect()
}

/// What the database says to one question.
fn asked(claviger: &Claviger, question: &str) -> String {
    let output = Command::new("sqlite3")
        .arg(claviger.data_folder().join("claviger.db"))
        .arg(question)
        .output()
        .expect("sqlite3 runs");
    assert!(output.status.success(), "{question}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn doctor_finds_what_was_opened_and_signed_and_is_not_in_the_log() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let database = claviger.data_folder().join("claviger.db");
    let before = fs::read(&database).unwrap();
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    Workspace::new(&shell, "orders", &retrievable(&shell)).retrieve(&shell);
    let pair = pair(&shell, "Tokens", "ed25519");
    token(&shell, &pair);
    server.stop();
    assert_eq!(about_the_keeper(&claviger), Vec::<String>::new(), "both books agree");
    // Somebody puts back the database of before, to hide what they did.
    for beside in ["claviger.db-wal", "claviger.db-shm"] {
        let _ = fs::remove_file(claviger.data_folder().join(beside));
    }
    fs::write(&database, before).unwrap();
    let said = about_the_keeper(&claviger);
    assert!(said.iter().any(|said| said.contains("and the log has no such reveal")), "{said:?}");
    let unknown = format!("with the key pair {pair}, of which the log knows nothing");
    assert!(said.iter().any(|said| said.contains(&unknown)), "{said:?}");
}

#[test]
fn while_and_after_it_signs_no_process_and_no_file_has_a_private_half() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    let pairs = ["ed25519", "ecdsa-p256", "rsa-3072"].map(|algorithm| pair(&shell, algorithm, algorithm));
    for pair in &pairs {
        for _ in 0..3 {
            token(&shell, pair);
        }
    }
    // All is kept before anything is opened here that is to be looked for.
    let [keeper] = server.descendants()[..] else { panic!("one keeper") };
    let memories = [("the server", Memory::of(server.process_id())), ("the keeper", Memory::of(keeper))];
    server.stop();
    let actor = asked(&claviger, "SELECT id FROM service_keys");
    assert!(memories[0].1.contains(b"planted-subject"), "claims go through the server");
    assert!(memories[1].1.contains(actor.as_bytes()), "the keeper counts what each actor signs");
    let files = files(claviger.data_folder());
    let database = asked(&claviger, "SELECT instance_id FROM instance");
    for pair in pairs {
        let sealed = asked(&claviger, &format!("SELECT hex(bytes) FROM sealed WHERE key_id = '{pair}'"));
        let sealed = hex::decode(sealed).expect("hexadecimal digits");
        let cell = Cell {
            database: &database,
            table: "key_pairs",
            row: &pair,
            column: "private_key",
            purpose: "key_pair",
        };
        let private = open_sealed(claviger.data_folder(), cell, &sealed);
        for secret in secrets_of(&private) {
            for (whose, memory) in &memories {
                assert!(!memory.contains(&secret), "{pair} in the memory of {whose}");
            }
            for (path, bytes) in &files {
                assert!(!contains(bytes, &secret), "{pair} in {}", path.display());
            }
        }
        assert!(files.iter().any(|(_, bytes)| contains(bytes, &sealed[..32])), "sealed, it is on the disk");
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// Every file below the folder.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .flat_map(|entry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path()),
            kind if kind.is_file() => vec![(entry.path(), fs::read(entry.path()).unwrap())],
            _ => Vec::new(),
        })
        .collect()
}
