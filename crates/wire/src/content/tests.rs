use super::*;

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

#[test]
fn requests_read_back() {
    let (run, root) = (RunId::from_bytes([7; 16]), digest(9));
    let effect = EffectId { run, attempt: 2, visit: Visit(31) };
    let path = "deploy/a b/ä%+&=?#.txt".to_owned();
    for request in [
        ContentRequest::List { run, root, path: String::new() },
        ContentRequest::List { run, root, path: path.clone() },
        ContentRequest::File { run, root, path },
        ContentRequest::Files { run, root },
        ContentRequest::Offer { effect },
        ContentRequest::Pieces { effect },
        ContentRequest::Bytes { effect, hash: root, offset: 1 << 40 },
        ContentRequest::Finish { effect },
    ] {
        let uri = request.uri();
        assert!(uri.is_ascii(), "{uri}");
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        assert_eq!(ContentRequest::parse(request.method(), path, query), Some(request), "{uri}");
    }
    let run = run.to_string();
    for path in ["/", "/content", "/content/x/y/list", &format!("/deposit/{run}/1.2.3/offer")] {
        assert_eq!(ContentRequest::parse("GET", path, "path="), None, "{path}");
    }
}

#[test]
fn bodies_read_back() {
    let paths = Paths(vec!["a".into(), "b/c".into()]);
    assert_eq!(Paths::decode(&paths.encode()), Ok(paths));
    let entry = |path: &str, kind| OfferEntry {
        path: path.into(),
        kind,
        mode: 0o750,
        mtime_ns: -5_000_000_001,
    };
    let offer = Offer {
        entries: vec![
            entry("a", OfferKind::Folder),
            entry("a/b", OfferKind::File { size: u64::MAX, hash: digest(3) }),
            entry("l", OfferKind::Link { target: "../x".into() }),
        ],
    };
    assert_eq!(Offer::decode(&offer.encode()), Ok(offer));
    let wanted = Wanted { files: vec![(1, 5), (2, 0)], skipped: 3 };
    assert_eq!(Wanted::decode(&wanted.encode()), Ok(wanted));
    let placed = Placed { files: 1, bytes: 2, skipped: 3 };
    assert_eq!(Placed::decode(&placed.encode()), Ok(placed));
    for head in [ItemHead { index: 5, length: Some(u64::MAX) }, ItemHead { index: 0, length: None }]
    {
        assert_eq!(ItemHead::decode(&head.encode()), head);
    }
}

#[test]
fn batches_and_listings_are_taken_apart() {
    let mut batch = Vec::new();
    for (byte, piece) in [(1, b"abc".as_slice()), (2, b"")] {
        let length = u32::try_from(piece.len()).unwrap();
        batch.extend(PieceHead { hash: digest(byte), offset: 4, length }.encode());
        batch.extend(piece);
    }
    let (head, piece, rest) = PieceHead::split(&batch).unwrap().unwrap();
    assert_eq!((head.hash, head.offset, piece), (digest(1), 4, b"abc".as_slice()));
    let (_, piece, rest) = PieceHead::split(rest).unwrap().unwrap();
    assert!(piece.is_empty() && PieceHead::split(rest) == Ok(None));
    assert!(PieceHead::split(&batch[..46]).is_err());

    let mut listing = Vec::new();
    Objects::put(&mut listing, b"one");
    Objects::put(&mut listing, b"");
    let objects = Objects::read(&listing).unwrap();
    let hash = Digest::from_bytes(*blake3::hash(b"one").as_bytes());
    assert_eq!((objects.len(), objects.get(&hash)), (2, Some(b"one".as_slice())));
    assert_eq!(objects.get(&digest(0)), None);
    assert!(Objects::read(&listing[..5]).is_err());
}
