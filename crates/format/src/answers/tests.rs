//! The manual's example, our own keys, every mistake with its line, and files from anywhere.

use model::TokenId;
use proptest::prelude::*;
use trust::{SigningKey, TokenSecret};

use super::*;

const OLD: &str = "[Install]\nType=custom\nPackages=ifftlsnr,iftmsg,iftrc,ifftsys\n\
    ListeningAddress=INet::1738\nBroadcast=INet:255.255.255.255:1738\nBroadcastDelay=60000\n\
    Collection=INet::1738\nCollectionMax=1000\nNewIdentity=Company\n\
    ServerAddress=INet:fdacprod:1739\nAgentPassword=mH21Ux6sMGpZ98AtMCCc7437DCNK\n";

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn token(key: &SigningKey) -> String {
    let token = Token {
        servers: vec!["deploy.example.com:1739".into()],
        id: TokenId::from_bytes([3; 16]),
        secret: TokenSecret::from_bytes([4; 32]),
        deployment_key: key.verifying_key().fingerprint(),
    };
    token.to_text().to_string()
}

fn list(text: &str) -> Option<Addresses> {
    Some(Addresses::parse(text, 1).unwrap())
}

#[test]
fn the_manuals_example_is_read() {
    let Read { answers, ignored } = parse(OLD).unwrap();
    assert_eq!(answers.servers, ["fdacprod:1739"]);
    assert_eq!(answers.listen, list("INET::1738"));
    assert_eq!(answers.broadcast, list("INET:255.255.255.255:1738"));
    assert_eq!(answers.broadcast_delay, Some(Span::from_secs(60)));
    assert_eq!(answers.collection_max, Some(1000));
    let lines: Vec<usize> = ignored.iter().map(|remark| remark.line).collect();
    assert_eq!(lines, [2, 3, 9, 11]);
    assert!(!ignored.iter().any(|remark| remark.text.contains("mH21")), "{ignored:?}");
}

#[test]
fn our_keys_in_any_case_and_what_is_not_known() {
    let text = format!(
        "\u{feff}; made by hand\r\n[INSTALL]\r\n TOKEN = \"{}\"\r\nnAmE=pc 7\r\n\
         Colour=red\r\n[Other]\r\nx=1\r\n",
        token(&key())
    );
    let Read { answers, ignored } = parse(&text).unwrap();
    assert_eq!(answers.name.as_deref(), Some("pc 7"));
    assert_eq!(answers.token.as_ref().map(Secret::reveal), Some(token(&key()).as_str()));
    assert!(!format!("{answers:?}").contains("dh1."));
    assert_eq!((ignored[0].line, ignored[1].line), (5, 6));
    assert!(ignored[0].text.starts_with("`Colour` is not known (known are ServerAddress, Token"));
}

#[test]
fn every_error_comes_with_its_line() {
    let text = "Name=early\n[Install]\nBroadcastDelay=soon\nToken=dh1.x\nServerAddress=a b:1\n\
                nonsense\nname=a\nNAME=b\nServerAddress2=x\nNewKey=!\n";
    let BadAnswers(errors) = parse(text).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|remark| remark.line).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 8, 10], "{errors:#?}");
    let BadAnswers(errors) = parse("\n; nothing\n").unwrap_err();
    assert_eq!(errors[0].text, "there is no section `[Install]`");
}

#[test]
fn a_key_that_is_not_the_tokens_is_an_error() {
    let other = SigningKey::from_seed(&[2; 32]).verifying_key();
    let file =
        |key: String| format!("[Install]\nToken={}\nNewKey={key}\n", token(&super::tests::key()));
    assert!(parse(&file(key().verifying_key().fingerprint().to_string())).is_ok());
    let label = key_file::Label::new("Company").unwrap();
    let coded = STANDARD.encode(key_file::encode_public(&label, &key().verifying_key()));
    assert!(parse(&file(coded)).is_ok());
    let BadAnswers(errors) = parse(&file(other.fingerprint().to_string())).unwrap_err();
    assert_eq!(errors[0].line, 3);
}

#[test]
fn files_of_windows_editors_are_read() {
    let units = |order: fn(u16) -> [u8; 2], mark: [u8; 2]| -> Vec<u8> {
        let units = OLD.encode_utf16().flat_map(order);
        mark.into_iter().chain(units).collect()
    };
    let expect = parse(OLD);
    assert_eq!(parse_bytes(&units(u16::to_le_bytes, [0xff, 0xfe])), expect);
    assert_eq!(parse_bytes(&units(u16::to_be_bytes, [0xfe, 0xff])), expect);
    let BadAnswers(errors) = parse_bytes(b"[Install]\nName=\xff\n").unwrap_err();
    assert_eq!(errors[0].line, 2);
}

fn addresses() -> impl Strategy<Value = Option<Addresses>> {
    let host = prop_oneof!["[a-z][a-z0-9]{0,12}", Just("[fe80::1]".to_owned())];
    let one = (host, 1u16..).prop_map(|(host, port)| format!("INET:{host}:{port}"));
    proptest::collection::vec(one, 0..3)
        .prop_map(|all| Addresses::parse(&all.join(";"), 1).ok().filter(|all| !all.is_empty()))
}

fn texts() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[ -~äß€]{1,20}".prop_map(|text| text.trim().to_owned()))
        .prop_map(|text| text.filter(|text| !text.is_empty()))
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        name in texts(), state in texts(), with_token: bool,
        listen in addresses(), broadcast in addresses(), collection in addresses(),
        delay in proptest::option::of(DELAY_MS),
        collection_max in proptest::option::of(0..=NEIGHBOURS_MAX),
    ) {
        let answers = Answers {
            servers: vec!["deploy.example.com:1739".to_owned()],
            token: with_token.then(|| Secret::new(token(&key()))),
            deployment_key: Some(key().verifying_key().fingerprint()),
            name, state, listen, broadcast, collection, collection_max,
            broadcast_delay: delay.map(Span::from_millis),
        };
        let text = write(&answers, &["from pc-1"]);
        let read = parse(&text).map_err(|bad| TestCaseError::fail(format!("{bad}\n{text}")))?;
        prop_assert_eq!(read, Read { answers, ignored: Vec::new() });
    }

    #[test]
    fn nothing_makes_the_reader_fail(
        text in "(\\[Install\\]\n)?([A-Za-z]{0,14}=?[ -~]{0,20}\n){0,8}",
    ) {
        let _ = parse(&text);
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes: Vec<u8>) {
        let _ = parse_bytes(&bytes);
    }
}
