//! What is written reads back; what is no request, is none.

use super::*;

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

#[test]
fn requests_read_back() {
    let (run, root) = (RunId::from_bytes([7; 16]), digest(9));
    let effect = EffectId::new(run, 2, Visit(31));
    let wish = Wish { to: "in/ä b".to_owned(), replace: true, force: false, resume: true };
    let (ran, wanted) = (Right::Run(run), Right::Wanted);
    let path = "deploy/a b/ä%+&=?#.txt".to_owned();
    for request in [
        ContentRequest::List { right: ran, root, path: String::new(), recursive: true },
        ContentRequest::List { right: wanted, root, path: path.clone(), recursive: false },
        ContentRequest::File { right: ran, root, path: path.clone() },
        ContentRequest::File { right: wanted, root, path },
        ContentRequest::Files { right: ran, root },
        ContentRequest::Files { right: wanted, root },
        ContentRequest::Document { digest: root },
        ContentRequest::Release { digest: root },
        ContentRequest::Offer { effect, wish: None },
        ContentRequest::Offer { effect: effect.part(4), wish: Some(wish) },
        ContentRequest::Pieces { effect },
        ContentRequest::Bytes { effect, index: 3, offset: 1 << 40 },
        ContentRequest::Finish { effect },
        ContentRequest::Finish { effect: effect.part(4) },
    ] {
        let uri = request.uri();
        assert!(uri.is_ascii(), "{uri}");
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        assert_eq!(ContentRequest::parse(request.method(), path, query), Some(request), "{uri}");
    }
    let run = run.to_string();
    let without = format!("/content/{run}/{root}/document");
    for path in ["/", "/content", "/content/x/y/list", &without] {
        assert_eq!(ContentRequest::parse("GET", path, "path="), None, "{path}");
    }
    for effect in ["1", "1.2.0", "1.2.3.4", "1.2.", "1.x", "1.2.3"] {
        let path = format!("/deposit/{run}/{effect}/offer");
        assert_eq!(ContentRequest::parse("POST", &path, "to=a"), None, "{path}");
    }
}

#[test]
fn bodies_read_back() {
    let paths = Paths(vec!["a".into(), "b/c".into()]);
    assert_eq!(Paths::decode(&paths.encode()), Ok(paths));
    let wanted = Wanted { files: vec![(1, 5), (2, 0)] };
    assert_eq!(Wanted::decode(&wanted.encode()), Ok(wanted));
    let placed = Placed { files: 1, bytes: 2, skipped: 3 };
    assert_eq!(Placed::decode(&placed.encode()), Ok(placed));
}

#[test]
fn batches_are_taken_apart() {
    let mut batch = Vec::new();
    for (index, piece) in [(1, b"abc".as_slice()), (2, b"")] {
        let length = u32::try_from(piece.len()).unwrap();
        batch.extend(PieceHead { index, offset: 4, length }.encode());
        batch.extend(piece);
    }
    let (head, piece, rest) = PieceHead::split(&batch).unwrap().unwrap();
    assert_eq!((head.index, head.offset, piece), (1, 4, b"abc".as_slice()));
    let (_, piece, rest) = PieceHead::split(rest).unwrap().unwrap();
    assert!(piece.is_empty() && PieceHead::split(rest) == Ok(None));
    assert!(PieceHead::split(&batch[..18]).is_err());
}
