//! Key pairs through the client: made inside, and used inside only.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::key_pairs::{Algorithm, KeyUse};
use claviger_domain::secret::{Plaintext, Sealed};
use claviger_keeper::{
    Ceilings, Keeper, KeeperError, MadePair, MakePair, Open, Place, Purpose, Seal, SignJwt, journal,
};

use crate::support::*;

const PAIR: Place<'_> = Place { database: "01k0db", table: "key_pairs", row: "kp_1", column: "private_key" };
const CLAIMS: &str = r#"{"iss":"us","sub":"them","exp":1800000000}"#;

fn make(keeper: &Keeper, algorithm: Algorithm) -> MadePair {
    keeper.make_pair(MakePair { place: PAIR, algorithm }).expect("a pair")
}

fn sign<'a>(sealed: &'a Sealed, algorithm: Algorithm) -> SignJwt<'a> {
    SignJwt { place: PAIR, sealed, algorithm, actor: "mbr_a", key_id: "kp_1", claims: CLAIMS }
}

#[test]
fn a_token_of_each_algorithm_is_verified_by_its_public_half() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    for (algorithm, name, by) in [
        (Algorithm::Ed25519, "EdDSA", &ED25519 as &'static dyn VerificationAlgorithm),
        (Algorithm::EcdsaP256, "ES256", &ECDSA_P256_SHA256_FIXED),
        (Algorithm::Rsa3072, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rsa4096, "RS256", &RSA_PKCS1_2048_8192_SHA256),
    ] {
        let made = make(&keeper, algorithm);
        let token = keeper.sign_jwt(sign(&made.sealed, algorithm)).expect("signed");
        let (input, signature) = token.rsplit_once('.').expect("a compact token");
        let public = ParsedPublicKey::new(by, &made.public).expect("SubjectPublicKeyInfo");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        public.verify_sig(input.as_bytes(), &signature).expect("verified");
        let (header, claims) = input.split_once('.').expect("two parts");
        let header = URL_SAFE_NO_PAD.decode(header).expect("base64");
        let said = format!(r#"{{"alg":"{name}","kid":"kp_1","typ":"JWT"}}"#);
        assert_eq!(String::from_utf8(header).expect("text"), said);
        assert_eq!(URL_SAFE_NO_PAD.decode(claims).expect("base64"), CLAIMS.as_bytes());
    }
}

#[test]
fn a_private_half_opens_in_its_place_and_nowhere_else() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let made = make(&keeper, Algorithm::Ed25519);
    let good = sign(&made.sealed, Algorithm::Ed25519);
    for place in [
        Place { database: "another", ..PAIR },
        Place { table: "sealed", ..PAIR },
        Place { row: "kp_2", ..PAIR },
        Place { column: "value", ..PAIR },
    ] {
        assert_eq!(keeper.sign_jwt(SignJwt { place, ..good }), Err(KeeperError::Refused), "{place:?}");
    }
    let other = make(&keeper, Algorithm::EcdsaP256);
    for wrong in [
        SignJwt { algorithm: Algorithm::EcdsaP256, ..good },
        SignJwt { sealed: &seal_at(&keeper, PAIR, "clv_key_abc").expect("sealed"), ..good },
        SignJwt { sealed: &Sealed::from_bytes(vec![1; 80]), ..good },
        SignJwt { sealed: &other.sealed, ..good },
    ] {
        assert_eq!(keeper.sign_jwt(wrong), Err(KeeperError::Refused), "{wrong:?}");
    }
    let another = self::folder();
    let foreign = spawn(options(another.path()));
    assert_eq!(foreign.sign_jwt(good), Err(KeeperError::Refused), "another root");
    assert!(keeper.sign_jwt(good).is_ok());
}

#[test]
fn no_message_gives_a_private_half_or_takes_one() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let made = make(&keeper, Algorithm::Ed25519);
    for purpose in [Purpose::KeyPair, Purpose::Retrievable] {
        let open = Open { purpose, place: PAIR, sealed: &made.sealed, actor: "mbr_a", position: 1 };
        assert_eq!(keeper.open(open).err(), Some(KeeperError::Refused), "{purpose:?}");
    }
    let plaintext = Plaintext::new("a private key of somebody's own".into());
    let seal = Seal { purpose: Purpose::KeyPair, place: PAIR, plaintext: &plaintext };
    assert_eq!(keeper.seal(seal).err(), Some(KeeperError::Refused));
}

#[test]
fn what_is_no_claims_is_not_signed() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let made = make(&keeper, Algorithm::Ed25519);
    let good = sign(&made.sealed, Algorithm::Ed25519);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(16_384));
    for claims in ["", "[1]", "\"text\"", "{\"a\":1} ", "{", &long] {
        let signed = keeper.sign_jwt(SignJwt { claims, ..good });
        // White space around an object is its own.
        assert_eq!(signed.is_ok(), claims == "{\"a\":1} ", "{claims}");
    }
    for key_id in ["", &"k".repeat(129)] {
        assert_eq!(keeper.sign_jwt(SignJwt { key_id, ..good }), Err(KeeperError::Refused));
    }
    assert_eq!(keeper.status().restarts, 0);
}

#[test]
fn each_signature_is_in_the_journal_before_it_is_answered() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let made = make(&keeper, Algorithm::Ed25519);
    let token = keeper.sign_jwt(sign(&made.sealed, Algorithm::Ed25519)).expect("signed");
    assert!(keeper.sign_jwt(SignJwt { actor: "", ..sign(&made.sealed, Algorithm::Ed25519) }).is_err());
    let book = journal::read(folder.path()).expect("a whole journal");
    let [(_, signing)] = book.signings.as_slice() else { panic!("{:?}", book.signings) };
    assert_eq!((signing.key_use, signing.actor.as_str()), (KeyUse::Jwt, "mbr_a"));
    assert_eq!((signing.row.as_str(), signing.subject.as_str()), ("kp_1", "kp_1"));
    let (input, _) = token.rsplit_once('.').expect("a compact token");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, input.as_bytes());
    assert_eq!(signing.digest, hex::encode(digest), "by which a token is found in it");
    assert_eq!(signing.host, None, "a token has no host");
    assert!(book.openings.is_empty());
}

#[test]
fn the_ceilings_of_signing_are_their_own_and_outlive_a_kill() {
    let folder = folder();
    let mut options = options(folder.path());
    options.process.ceilings.jwt_signatures = Ceilings { per_actor: 2, together: 3 };
    let keeper = spawn(options);
    let made = make(&keeper, Algorithm::Ed25519);
    let good = sign(&made.sealed, Algorithm::Ed25519);
    assert!(keeper.sign_jwt(good).is_ok() && keeper.sign_jwt(good).is_ok());
    signal(&keeper, rustix::process::Signal::KILL);
    wait_for("a new keeper", || keeper.status().restarts == 1 && keeper.status().available);
    let Err(KeeperError::TooManySignatures { retry_after_seconds }) = keeper.sign_jwt(good) else {
        panic!("a third one was signed")
    };
    assert!((3_500..=3_600).contains(&retry_after_seconds), "{retry_after_seconds}");
    assert!(keeper.sign_jwt(SignJwt { actor: "mbr_b", ..good }).is_ok());
    let all = keeper.sign_jwt(SignJwt { actor: "mbr_c", ..good });
    assert!(matches!(all, Err(KeeperError::TooManySignatures { .. })), "{all:?}");
    let sealed = seal(&keeper, "text");
    assert!(open(&keeper, &sealed, "mbr_a").is_ok(), "opening has a ceiling of its own");
}

#[test]
fn others_are_answered_while_a_pair_is_made() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let made = make(&keeper, Algorithm::Ed25519);
    std::thread::scope(|scope| {
        let making = scope.spawn(|| {
            for _ in 0..2 {
                make(&keeper, Algorithm::Rsa4096);
            }
        });
        let mut answered = 0;
        while !making.is_finished() {
            keeper.sign_jwt(sign(&made.sealed, Algorithm::Ed25519)).expect("signed");
            answered += 1;
        }
        assert!(answered > 10, "{answered} signatures while two pairs of RSA were made");
    });
}

#[test]
fn a_keeper_that_dies_while_it_makes_a_pair_or_signs_costs_that_request() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let made = make(&keeper, Algorithm::Ed25519);
    for round in 1..=2 {
        // It holds still, so that what is asked now is surely not answered before its death.
        signal(&keeper, rustix::process::Signal::STOP);
        std::thread::scope(|scope| {
            let new = MakePair { place: PAIR, algorithm: Algorithm::EcdsaP256 };
            let keeper = &keeper;
            let asked = match round {
                1 => scope.spawn(move || keeper.make_pair(new).map(drop)),
                _ => scope.spawn(|| keeper.sign_jwt(sign(&made.sealed, Algorithm::Ed25519)).map(drop)),
            };
            signal(keeper, rustix::process::Signal::KILL);
            assert_eq!(asked.join().expect("no panic"), Err(KeeperError::Unavailable));
        });
        wait_for("a new keeper", || keeper.status().restarts == round && keeper.status().available);
        assert!(keeper.sign_jwt(sign(&made.sealed, Algorithm::Ed25519)).is_ok());
    }
}
