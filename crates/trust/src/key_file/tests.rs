//! Key files read back, and each way of being wrong has its own words.

use super::*;

fn key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

fn label() -> Label {
    Label::new("Example Corp – Göteborg").unwrap()
}

#[test]
fn both_files_read_back() {
    let private = encode_private(&label(), &key());
    let (read, secret) = decode_private(&private).unwrap();
    assert_eq!((read, secret.verifying_key()), (label(), key().verifying_key()));

    let public = encode_public(&label(), &key().verifying_key());
    assert_eq!(decode_public(&public), Ok((label(), key().verifying_key())));
    assert!(public.contains(&key().id().to_string()));
    let of_windows = format!("\u{feff}{}", public.replace('\n', "\r\n"));
    assert_eq!(decode_public(&of_windows), Ok((label(), key().verifying_key())));
    assert!(public.lines().chain(private.lines()).all(|line| line.len() <= 100));
}

#[test]
fn what_is_wrong_is_said() {
    let private = encode_private(&label(), &key());
    let public = encode_public(&label(), &key().verifying_key());
    let of_private = |text: &str| decode_private(text).map(|_| ()).unwrap_err();
    let of_public = |text: &str| decode_public(text).map(|_| ()).unwrap_err();
    assert_eq!(of_private(&public), KeyFileError::PrivateNeeded);
    assert_eq!(of_public(&private), KeyFileError::PublicNeeded);
    for text in ["", "hello", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(of_public(text), KeyFileError::NotAKeyFile);
    }
    let newer = public.replace("Version: 1", "Version: 2");
    assert_eq!(of_public(&newer), KeyFileError::VersionUnknown { version: "2".into() });
    let nobody = public.replace("Identity", "Someone");
    assert_eq!(of_public(&nobody), KeyFileError::Missing { field: "Identity" });
    assert!(matches!(of_public(&public[..public.len() - 40]), KeyFileError::Damaged { .. }));
    assert!(matches!(of_public(&public.replace("MCow", "MC!w")), KeyFileError::Damaged { .. }));
    assert!(matches!(of_public(&public.replace("MCow", "MCox")), KeyFileError::Damaged { .. }));

    let other = SigningKey::from_seed(&[1; 32]);
    let swapped = public.replace(&key().id().to_string(), &other.id().to_string());
    let (said, is) = (other.id(), key().id());
    assert_eq!(of_public(&swapped), KeyFileError::OtherKey { said, is });
}

#[test]
fn labels_are_one_line() {
    assert_eq!(Label::new("  "), Err(BadLabel::Empty));
    assert_eq!(Label::new("a\nVersion: 2"), Err(BadLabel::ControlCharacter));
    assert_eq!(Label::new(&"x".repeat(201)), Err(BadLabel::TooLong));
    assert_eq!(Label::new(" a ").unwrap().as_str(), "a");
}

#[test]
fn the_pem_is_that_of_rfc_8410() {
    // The example key of RFC 8410, section 10.
    let pem = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let key = SigningKey::from_pkcs8_der(&STANDARD.decode(pem).unwrap()).unwrap();
    let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    assert_eq!(STANDARD.encode(key.verifying_key().to_spki_der()), public);
    assert!(encode_private(&label(), &key).contains(pem));
}
