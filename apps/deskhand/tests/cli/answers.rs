//! What is said when something else than a willing server is at the other end.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::{Came, came, command};

/// Asks a server at that address for its status.
fn ask(address: &str) -> Came {
    let mut command = command(["server", "status", "--server", address]);
    command.env("DESKHAND_TOKEN", "secret");
    came(command)
}

/// What comes of a listener that reads one request and answers with these bytes.
fn answered(bytes: &'static [u8]) -> Came {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0, "the request is cut");
            request.extend_from_slice(&part[..count]);
        }
        stream.write_all(bytes).unwrap();
        String::from_utf8(request).unwrap()
    });
    let came = ask(&address);
    let request = server.join().unwrap().to_lowercase();
    assert!(request.starts_with("get /api/server/status http/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: bearer secret\r\n"), "{request}");
    assert_eq!((came.code, came.out.as_str()), (Some(1), ""));
    came
}

#[test]
fn nothing_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let came = ask(&free.to_string());
    assert_eq!(came.code, Some(1));
    assert!(came.err.starts_with("error[DH-C003]: cannot connect to the server at 127."));
    assert!(came.err.contains("refused") && came.err.contains("deskhand server run"));
}

#[test]
fn an_address_that_is_none() {
    let came = ask("https://example.com");
    assert!(came.err.starts_with("error[DH-C001]: `https://example.com` is not"), "{}", came.err);
}

#[test]
fn the_listener_hangs_up() {
    let came = answered(b"");
    assert!(came.err.starts_with("error[DH-C004]"), "{}", came.err);
}

#[test]
fn it_is_something_else() {
    let came = answered(b"\x15\x03\x03\x00\x02\x02\x46 no HTTP at all, but quite long a text\r\n");
    assert!(came.err.starts_with("error[DH-C005]"), "{}", came.err);
    let html: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    assert!(answered(html).err.starts_with("error[DH-C005]"));
    let gateway: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nnope";
    assert!(answered(gateway).err.contains("it answers 502"));
}

#[test]
fn the_token_is_wrong() {
    let came = answered(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    assert!(came.err.starts_with("error[DH-C006]"), "{}", came.err);
    assert!(came.err.contains("admin.token"), "{}", came.err);
}

#[test]
fn a_problem_is_passed_on_and_cannot_steer_the_terminal() {
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 73\r\n\r\n\
        {\"code\":\"X-1\",\"message\":\"no \\u001b[2J computer\",\"hint\":\"look elsewhere\"}  ";
    let came = answered(answer);
    assert_eq!(
        came.err, "error[X-1]: no \\u{1b}[2J computer\n  hint: look elsewhere\n",
        "{}",
        came.err
    );
}
