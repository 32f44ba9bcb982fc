//! Which request of a connection has two lengths, however its bytes come.

use super::*;

/// The number of the request that is found in these bytes, which come in pieces of this size.
fn found(text: &[u8], piece: usize) -> u64 {
    let framing = Arc::new(Framing::default());
    let mut reader = Reader::new(Arc::clone(&framing));
    text.chunks(piece).for_each(|bytes| reader.read(bytes));
    framing.found.load(Ordering::Relaxed)
}

#[track_caller]
fn demand(text: &str, expected: u64) {
    for piece in [1, 2, 3, 7, 64, 511, 512, 513, usize::MAX] {
        assert_eq!(found(text.as_bytes(), piece), expected, "{text:?} in pieces of {piece}");
    }
}

const BOTH: &str = "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n";

#[test]
fn both_lengths_are_found_in_either_order_and_any_case() {
    demand(BOTH, 1);
    demand("POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 1);
    demand("POST / HTTP/1.1\ncONTENT-lENGTH:4\nA: b\ntRANSFER-eNCODING:chunked\n\n", 1);
    demand("\r\n\r\nPOST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: x\r\n\r\n", 1);
    let endless = format!("content-length: {}4", " ".repeat(4_000));
    let text = format!("POST / HTTP/1.1\r\n{endless}\r\ntransfer-encoding: chunked\r\n\r\n");
    demand(&text, 1);
}

#[test]
fn a_length_that_takes_more_than_its_line_may_is_not_believed_however_it_comes() {
    let line =
        |long: usize| format!("POST / HTTP/1.1\r\nContent-Length:{}4\r\n\r\n4444", " ".repeat(long - 17));
    demand(&line(MOST_OF_LINE), 0);
    demand(&line(MOST_OF_LINE + 1), 1);
    demand(&line(MOST_OF_LINE * 8), 1);
    let other =
        format!("POST / HTTP/1.1\r\nCookie: {}\r\nContent-Length: 4\r\n\r\n4444{BOTH}", "c".repeat(4_000));
    demand(&other, 2);
}

#[test]
fn a_request_is_found_behind_others_whatever_their_bodies_say() {
    for before in [
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST /a HTTP/1.1\r\nContent-Length: 30\r\n\r\nContent-Length: 4\r\n\r\nPOST / HT",
        "POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 4\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA;x=\"b\"\r\n0\r\n\r\nGET /\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /a HTTP/1.1\r\nCookie: transfer-encoding: chunked\r\nContent-Length: 2\r\n\r\nab",
        // In trailers a bare LF ends no line.
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nfoo: bar\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nPOST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        demand(before, 0);
        demand(&format!("{before}{BOTH}"), 2);
        demand(&format!("{before}\r\n{before}{BOTH}"), 3);
    }
    let long = format!("GET /{} HTTP/1.1\r\nCookie: {}\r\n\r\n", "a".repeat(5_000), "c".repeat(5_000));
    demand(&format!("{long}{BOTH}"), 2);
}

#[test]
fn what_is_no_http_1_is_left_alone() {
    demand(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{BOTH}"), 0);
    demand(&format!("PRI * HTTP/2.1\r\n\r\n{BOTH}"), 2);
    demand(&format!("GET / HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\n\r\n{BOTH}"), 3);
    let framing = Arc::new(Framing::default());
    let mut reader = Reader::new(Arc::clone(&framing));
    framing.end();
    reader.read(BOTH.as_bytes());
    assert_eq!(framing.found.load(Ordering::Relaxed), 0, "it is another protocol by now");
}

#[test]
fn what_comes_after_what_cant_be_followed_is_not_believed() {
    let plain = "GET / HTTP/1.1\r\n\r\n";
    for body in [
        "11111111111111111\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "3;a=b\nabc\r\n",
        "3\nabc",
        "3\rabc",
        "0\r\na: b\r\r\n",
    ] {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        demand(&format!("{plain}{head}{body}{plain}"), 3);
    }
    demand(&format!("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{plain}"), 1);
    demand(&format!("{plain}POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n{plain}"), 2);
}

#[test]
fn the_request_of_that_number_is_marked_and_those_after_it() {
    let framing = Arc::new(Framing::default());
    let mut reader = Reader::new(Arc::clone(&framing));
    reader.read(format!("GET / HTTP/1.1\r\n\r\n{BOTH}").as_bytes());
    let marked: Vec<bool> = (0..3).map(|_| framing.mark(&mut Request::new(()))).collect();
    assert_eq!(marked, [false, true, true]);
}

#[test]
fn no_bytes_stop_it() {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let words = [
        "\r\n",
        "\n",
        ":",
        "chunked",
        "transfer-encoding",
        "content-length",
        "ffffffffffffffff",
        "0",
        " ",
        "\0",
    ];
    for _ in 0..20_000 {
        let text: String =
            (0..random.random_range(0..30)).map(|_| words[random.random_range(0..words.len())]).collect();
        found(text.as_bytes(), random.random_range(1..9));
    }
}
