//! Moving one branch from where it was seen to a commit on top of that. The host compares, so whoever comes
//! second is refused; nothing is ever forced.

use claviger_domain::git::ObjectId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::advertisement::Advertisement;
use super::packets::{Broken, FLUSH, Packets, packet};

/// Of what a host says about a push, how much is kept.
const MOST_WORDS: usize = 2_000;
const MOST_REPORT: usize = 64 * 1024;

/// What the host did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Why not, in Git's words; `None` if the branch was moved.
    pub(crate) refused: Option<Vec<u8>>,
    /// What the host's hooks had to say.
    pub(crate) words: Vec<u8>,
}

/// Sends the commit and what it needs, and reads what came of it.
pub(crate) async fn push<R: AsyncRead + Unpin>(
    (to, from): (&mut (impl AsyncWrite + Unpin), &mut Packets<R>),
    advertised: &Advertisement,
    (old, new): (&ObjectId, &ObjectId),
    branch: &str,
    pack: &[u8],
) -> Result<Report, Broken> {
    if !advertised.can("report-status") || !advertised.can("side-band-64k") {
        return Err(Broken::Nonsense("the host's Git would not say what came of a push"));
    }
    let mut request = format!("{old} {new} {branch}\0 report-status side-band-64k agent=claviger");
    for ability in ["object-format=sha1", "object-format=sha256"] {
        if advertised.can(ability) {
            request.push(' ');
            request.push_str(ability);
        }
    }
    // A host that refuses early stops reading, and its report says why: that is read in any case.
    let sent = async {
        to.write_all(&packet(request.as_bytes())).await?;
        to.write_all(FLUSH).await?;
        to.write_all(pack).await?;
        to.flush().await
    };
    let _ = sent.await;
    let (status, words) = streams(from).await?;
    Ok(Report { refused: refusal(&status, branch).await?, words })
}

/// The report, on the first stream, and the host's words, on the second.
async fn streams<R: AsyncRead + Unpin>(from: &mut Packets<R>) -> Result<(Vec<u8>, Vec<u8>), Broken> {
    let (mut status, mut words) = (Vec::new(), Vec::new());
    loop {
        let part = match from.next().await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            // What the host did it has said: it is gone while its hooks still talk.
            Err(Broken::Ended) if !status.is_empty() => break,
            Err(broken) => return Err(broken),
        };
        match part.split_first() {
            Some((1, data)) if status.len() + data.len() <= MOST_REPORT => status.extend_from_slice(data),
            Some((1, _)) => return Err(Broken::TooMuch("The host's report on the push is too long.")),
            Some((2, said)) => {
                words.extend_from_slice(said);
                words.truncate(MOST_WORDS);
            }
            Some((3, said)) => return Err(Broken::Told(said.to_vec())),
            _ => return Err(Broken::Nonsense("the host answers on a stream that Git does not know")),
        }
    }
    Ok((status, words))
}

/// `unpack ok` and `ok REF`, or why not.
async fn refusal(status: &[u8], branch: &str) -> Result<Option<Vec<u8>>, Broken> {
    const NONSENSE: Broken = Broken::Nonsense("the host's report on the push can't be read");
    let mut lines = Packets::new(status);
    let unpacked = line(&mut lines).await?.ok_or(NONSENSE)?;
    match unpacked.strip_prefix(b"unpack ") {
        Some(b"ok") => {}
        Some(why) => return Ok(Some([b"unpack ", why].concat())),
        None => return Err(NONSENSE),
    }
    while let Some(line) = line(&mut lines).await? {
        if line == format!("ok {branch}").as_bytes() {
            return Ok(None);
        }
        if let Some(why) = line.strip_prefix(format!("ng {branch} ").as_bytes()) {
            return Ok(Some(why.to_vec()));
        }
    }
    Err(NONSENSE)
}

async fn line(lines: &mut Packets<&[u8]>) -> Result<Option<Vec<u8>>, Broken> {
    let line = lines.next().await?;
    Ok(line.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const MAIN: &str = "refs/heads/main";

    async fn pushed(status: &[&str], more: &[&[u8]]) -> (Result<Report, Broken>, Vec<u8>) {
        let mut sent =
            packet(format!("{OLD} {MAIN}\0report-status side-band-64k object-format=sha1").as_bytes());
        sent.extend_from_slice(FLUSH);
        let mut packets = Packets::new(&sent[..]);
        let advertised = Advertisement::read(&mut packets, MAIN, 1_000).await.expect("an advertisement");
        let mut lines: Vec<u8> = status.iter().flat_map(|line| packet(line.as_bytes())).collect();
        lines.extend_from_slice(FLUSH);
        let answer = [more.concat(), packet(&[&[1], &lines[..]].concat()), FLUSH.to_vec()].concat();
        let mut said = Vec::new();
        let pipes = (&mut said, &mut Packets::new(&answer[..]));
        let ids = (&OLD.parse().expect("an id"), &NEW.parse().expect("an id"));
        (push(pipes, &advertised, ids, MAIN, b"PACK").await, said)
    }

    #[tokio::test]
    async fn a_branch_is_moved_from_where_it_was_seen() {
        let (report, said) = pushed(&["unpack ok\n", "ok refs/heads/main\n"], &[]).await;
        assert_eq!(report.expect("a report"), Report::default());
        let said = String::from_utf8(said).expect("text");
        let expected =
            format!("{OLD} {NEW} {MAIN}\0 report-status side-band-64k agent=claviger object-format=sha1");
        assert_eq!(said, format!("{:04x}{expected}0000PACK", expected.len() + 4));
    }

    #[tokio::test]
    async fn a_refusal_comes_with_its_reason_and_the_hosts_words() {
        let words = packet(b"\x02remote: no\n");
        let (report, _) = pushed(&["unpack ok\n", "ng refs/heads/main hook declined\n"], &[&words]).await;
        let expected = Report { refused: Some(b"hook declined".to_vec()), words: b"remote: no\n".to_vec() };
        assert_eq!(report.expect("a report"), expected);
        let (report, _) = pushed(&["unpack disk full", "ng refs/heads/main unpacker error"], &[]).await;
        assert_eq!(report.expect("a report").refused.as_deref(), Some(&b"unpack disk full"[..]));
    }

    #[tokio::test]
    async fn a_report_counts_though_the_host_is_gone_behind_it() {
        let report = [packet(b"unpack ok\n"), packet(b"ok refs/heads/main\n"), FLUSH.to_vec()].concat();
        let whole = packet(&[&[1], &report[..]].concat());
        let (status, _) = streams(&mut Packets::new(&whole[..])).await.expect("a report");
        assert_eq!(refusal(&status, MAIN).await.expect("it can be read"), None);
        let (first, _) = report.split_at(20);
        let half = packet(&[&[1], first].concat());
        let (status, _) = streams(&mut Packets::new(&half[..])).await.expect("its beginning");
        assert!(matches!(refusal(&status, MAIN).await, Err(Broken::Ended)));
        assert!(matches!(streams(&mut Packets::new(&b""[..])).await, Err(Broken::Ended)));
    }

    #[tokio::test]
    async fn a_report_that_says_nothing_is_no_success() {
        for status in
            [&[][..], &["unpack ok"], &["unpack ok", "ok refs/heads/other"], &["ok refs/heads/main"]]
        {
            assert!(matches!(pushed(status, &[]).await.0, Err(Broken::Nonsense(_))), "{status:?}");
        }
        let fatal = packet(b"\x03hung up");
        assert!(matches!(pushed(&[], &[&fatal]).await.0, Err(Broken::Told(words)) if words == b"hung up"));
    }
}
