//! Whoever has the master key, the sealed root and a row of the database has what is sealed in it. This does
//! what they would do, by the formats alone and without a line of the keeper's own: a test that looks for a
//! secret where it must not be has to know it first.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// Where a value is sealed, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    pub database: &'a str,
    pub table: &'a str,
    pub row: &'a str,
    pub column: &'a str,
    pub purpose: &'a str,
}

/// What is sealed there, opened with the files of a data folder.
#[track_caller]
pub fn open_sealed(data_dir: &Path, cell: Cell<'_>, sealed: &[u8]) -> Vec<u8> {
    let master = std::fs::read(data_dir.join("master.key")).expect("the master key");
    let root = std::fs::read(data_dir.join("keeper/root.sealed")).expect("the sealed root");
    let of_root =
        Cell { database: "keeper", table: "keeper", row: "root", column: "root.sealed", purpose: "root" };
    let tree = extract(b"claviger keeper: master key, version 1", &master);
    // Before the envelope are its version, and a mark of the master key.
    let root = open(&derive(&tree, b"seal/root"), of_root, &root[17..]);
    let tree = extract(b"claviger keeper: root secret, version 1", &root);
    let label = format!("seal/{}", cell.purpose);
    open(&derive(&tree, label.as_bytes()), cell, sealed)
}

fn open(key: &[u8; 32], cell: Cell<'_>, envelope: &[u8]) -> Vec<u8> {
    assert_eq!(envelope[0], 1, "the version of the envelope");
    let (salt, rest) = envelope[1..].split_at(16);
    let (nonce, ciphertext) = rest.split_at(12);
    let own = expand(&extract(salt, key), &[b"envelope", &[0, 1]]);
    let mut associated = vec![1];
    for part in [cell.database, cell.table, cell.row, cell.column, cell.purpose] {
        associated.extend(u32::try_from(part.len()).expect("short").to_be_bytes());
        associated.extend(part.as_bytes());
    }
    let mut text = ciphertext.to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &own).expect("a key"));
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce");
    let length = key.open_in_place(nonce, Aad::from(associated), &mut text).expect("it opens").len();
    text.truncate(length);
    text
}

fn extract(salt: &[u8], secret: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, salt).extract(secret)
}

fn derive(tree: &Prk, label: &[u8]) -> [u8; 32] {
    expand(tree, &[label, &[0], &1_u32.to_be_bytes()])
}

struct Key;

impl KeyType for Key {
    fn len(&self) -> usize {
        32
    }
}

fn expand(tree: &Prk, info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    tree.expand(info, Key).and_then(|material| material.fill(&mut key)).expect("a key of 32 bytes");
    key
}

/// What gives a private key away, of any algorithm that the keeper makes: each part of its PKCS #8 that is
/// secret, as it is written there and in the order in which processors keep numbers.
#[track_caller]
pub fn secrets_of(pkcs8: &[u8]) -> Vec<Vec<u8>> {
    let info = elements(&elements(pkcs8)[0].1);
    let key = elements(&info[2].1);
    let (tag, content) = &key[0];
    let secrets: Vec<Vec<u8>> = match *tag {
        // Ed25519: the seed, as an octet string inside of one, and the two halves of what is signed with.
        0x04 => {
            let hashed = digest(&SHA512, content);
            let (scalar, prefix) = hashed.as_ref().split_at(32);
            let mut scalar = scalar.to_vec();
            scalar[0] &= 0xf8;
            scalar[31] = scalar[31] & 0x3f | 0x40;
            vec![content.clone(), scalar, prefix.to_vec()]
        }
        // A sequence: the numbers of RSA after version, modulus and exponent; or version and scalar of a curve.
        _ => match elements(content).as_slice() {
            [_version, _modulus, _exponent, secret @ ..] if secret.len() >= 5 => {
                secret.iter().map(|(_, number)| number.clone()).collect()
            }
            [_version, (_, scalar), ..] => vec![scalar.clone()],
            other => panic!("no private key: {} elements", other.len()),
        },
    };
    let written = secrets.iter().map(|number| number.iter().copied().skip_while(|byte| *byte == 0).collect());
    let written: Vec<Vec<u8>> = written.collect();
    let kept = written.iter().map(|number| number.iter().rev().copied().collect());
    written.iter().cloned().chain(kept).collect()
}

/// The elements of DER, one after the other: tag and content.
fn elements(mut der: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut elements = Vec::new();
    while let [tag, first, rest @ ..] = der {
        let (length, rest) = match *first {
            short @ 0..0x80 => (usize::from(short), rest),
            long => {
                let (digits, rest) = rest.split_at(usize::from(long & 0x7f));
                (digits.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, after) = rest.split_at(length);
        elements.push((*tag, content.to_vec()));
        der = after;
    }
    elements
}
