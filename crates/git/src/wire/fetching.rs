//! Asking for the newest state of a branch, without what came before it.

use claviger_domain::git::ObjectId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::advertisement::Advertisement;
use super::packets::{Broken, FLUSH, Packets, packet};

/// Asks for the commit, and passes the pack on. At most `most_bytes` of it are taken. Files longer than
/// `longest_file` are left out where the host is able to.
pub(crate) async fn fetch<R: AsyncRead + Unpin>(
    (to, from): (&mut (impl AsyncWrite + Unpin), &mut Packets<R>),
    advertised: &Advertisement,
    commit: &ObjectId,
    longest_file: u64,
    most_bytes: u64,
    pack: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Broken> {
    if !advertised.can("side-band-64k") {
        return Err(Broken::Nonsense("the host's Git is older than its streams"));
    }
    to.write_all(&request(advertised, commit, longest_file)).await?;
    to.flush().await?;
    if advertised.can("shallow") {
        while from.next().await?.is_some() {}
    }
    to.write_all(&packet(b"done\n")).await?;
    to.flush().await?;
    match from.next().await? {
        Some(answer) if answer.strip_suffix(b"\n").unwrap_or(answer) == b"NAK" => {}
        _ => return Err(Broken::Nonsense("the host answers what it was not asked")),
    }
    pass_on(from, most_bytes, pack).await
}

fn request(advertised: &Advertisement, commit: &ObjectId, longest_file: u64) -> Vec<u8> {
    let mut want = format!("want {commit} side-band-64k no-progress agent=claviger");
    for ability in ["ofs-delta", "filter", "object-format=sha1", "object-format=sha256"] {
        if advertised.can(ability) {
            want.push(' ');
            want.push_str(ability);
        }
    }
    want.push('\n');
    let mut request = packet(want.as_bytes());
    if advertised.can("shallow") {
        request.extend_from_slice(&packet(b"deepen 1\n"));
    }
    if advertised.can("filter") {
        // Git leaves out those of the length that is named and above.
        let filter = format!("filter blob:limit={}\n", longest_file.saturating_add(1));
        request.extend_from_slice(&packet(filter.as_bytes()));
    }
    request.extend_from_slice(FLUSH);
    request
}

/// The first of the host's three streams is the pack; the others are its words.
async fn pass_on<R: AsyncRead + Unpin>(
    from: &mut Packets<R>,
    most_bytes: u64,
    pack: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Broken> {
    let mut bytes = 0;
    while let Some(part) = from.next().await? {
        match part.split_first() {
            Some((1, data)) => {
                bytes += data.len() as u64;
                if bytes > most_bytes {
                    return Err(Broken::TooMuch("The repository's newest state is too large."));
                }
                pack.write_all(data).await.map_err(|_| Broken::Refused)?;
            }
            Some((2, _)) => {}
            Some((3, words)) => return Err(Broken::Told(words.to_vec())),
            _ => return Err(Broken::Nonsense("the host answers on a stream that Git does not know")),
        }
    }
    pack.flush().await.map_err(|_| Broken::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    async fn advertised(abilities: &str) -> Advertisement {
        let mut sent = packet(format!("{COMMIT} refs/heads/main\0{abilities}\n").as_bytes());
        sent.extend_from_slice(FLUSH);
        let mut packets = Packets::new(&sent[..]);
        Advertisement::read(&mut packets, "refs/heads/main", 1_000).await.expect("an advertisement")
    }

    async fn fetched(abilities: &str, answer: &[&[u8]]) -> (Result<Vec<u8>, Broken>, String) {
        let (advertised, sent) = (advertised(abilities).await, answer.concat());
        let (mut asked, mut pack) = (Vec::new(), Vec::new());
        let commit = COMMIT.parse().expect("an id");
        let pipes = (&mut asked, &mut Packets::new(&sent[..]));
        let result = fetch(pipes, &advertised, &commit, 9, 10, &mut pack).await;
        (result.map(|()| pack), String::from_utf8(asked).expect("text"))
    }

    #[tokio::test]
    async fn one_state_is_asked_for_and_its_pack_passed_on() {
        let answer: &[&[u8]] = &[
            &packet(b"shallow x\n"),
            FLUSH,
            b"0008NAK\n",
            &packet(b"\x01PA"),
            &packet(b"\x02words"),
            &packet(b"\x01CK"),
            FLUSH,
        ];
        let (pack, asked) = fetched("side-band-64k shallow filter ofs-delta", answer).await;
        assert_eq!(pack.expect("a pack"), b"PACK");
        assert!(asked.contains("deepen 1\n") && asked.contains("filter blob:limit=10\n"), "{asked}");
        assert!(asked.ends_with("00000009done\n"), "{asked}");
        let (pack, asked) = fetched("side-band-64k", &answer[2..]).await;
        assert_eq!(pack.expect("a pack"), b"PACK");
        assert!(!asked.contains("deepen") && !asked.contains("filter"), "{asked}");
    }

    #[tokio::test]
    async fn what_is_too_much_or_not_gits_is_not_passed_on() {
        let nak: &[u8] = b"0008NAK\n";
        let long = packet(b"\x01eleven byte");
        for (answer, expected) in [
            (&[nak, &long, FLUSH][..], "The repository's newest state is too large."),
            (&[nak, &packet(b"\x03no such\n")], "an error"),
            (&[nak, &packet(b"\x04no such\n")], "the host answers on a stream that Git does not know"),
            (&[nak, &packet(b"")], "the host answers on a stream that Git does not know"),
            (&[&packet(b"ACK x\n")], "the host answers what it was not asked"),
            (&[FLUSH], "the host answers what it was not asked"),
            (&[nak, &packet(b"\x01PA")], "the answer ends in the middle"),
        ] {
            let (result, _) = fetched("side-band-64k", answer).await;
            assert_eq!(result.expect_err("it is refused").to_string(), expected);
        }
        let (result, asked) = fetched("shallow", &[nak]).await;
        assert!(matches!(result, Err(Broken::Nonsense(_))) && asked.is_empty());
    }
}
