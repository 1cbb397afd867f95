//! What stands in files, right and wrong, and what editing leaves as it was.

use super::*;

const WHOLE: &str = "\
# head
data = \"/var/lib/deskhand\"   # where
name = \"hq\"
presence = [\"a:1739\", \"b:1739\"]
max_targets = 7

[listen]
api = \"127.0.0.1:1\"
api_insecure = false

[log]
filter = \"debug\"
";

#[test]
fn a_file_is_read() {
    let read = Settings::parse(WHOLE).unwrap();
    assert_eq!(read.data.as_deref(), Some(Path::new("/var/lib/deskhand")));
    assert_eq!((read.max_targets, read.api_insecure), (Some(7), Some(false)));
    assert_eq!(
        read.presence.as_deref(),
        Some(["a:1739".to_owned(), "b:1739".to_owned()].as_slice())
    );
    assert_eq!(read.api_listen, Some("127.0.0.1:1".parse().unwrap()));
    assert_eq!(Settings::parse("").unwrap(), Settings::default());
    assert_eq!(Settings::parse(&template()).unwrap(), Settings::default());
    let other = Settings { max_targets: None, log_filter: None, ..read.clone() };
    assert_eq!(read.differences(&other), ["max_targets", "log.filter"]);
}

#[test]
fn everything_wrong_is_told_with_its_place() {
    let text = "max_target = 5\nname = 3\n\n[listen]\nagents = \"1739\"\n[lgo]\nfilter = \"x\"\n";
    let wrong = Settings::parse(text).unwrap_err();
    let told: Vec<_> = wrong.iter().map(|wrong| (wrong.line, wrong.column, &*wrong.what)).collect();
    assert_eq!(
        told,
        [
            (1, 1, "there is no key `max_target`"),
            (2, 8, "`name` cannot be integer"),
            (5, 10, "`listen.agents` cannot be string"),
            (6, 2, "there is no key `lgo`"),
        ]
    );
    assert_eq!(wrong[0].hint, "did you mean `max_targets`?");
    assert!(wrong[3].hint.contains("log.filter"), "{}", wrong[3].hint);
    for (text, line) in [("name = \n", 1), ("a = 1\na = 2\n", 2), ("\n[x", 2)] {
        let wrong = Settings::parse(text).unwrap_err();
        assert_eq!(wrong[0].line, line, "{wrong:?}");
    }
    for text in ["max_targets = 0", "max_targets = -1", "depot = \"depot\"", "presence = \"a\""] {
        assert_eq!(Settings::parse(text).unwrap_err().len(), 1, "{text}");
    }
}

fn change(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn editing_keeps_what_it_is_not_about() {
    let changes = [
        change("data", "/srv/deskhand"),
        change("max_targets", "9"),
        change("log.files", "3"),
        change("name", ""),
        change("presence", "c:1; d:2"),
    ];
    let edited = edit(WHOLE, &changes).unwrap();
    assert!(edited.starts_with("# head\ndata = \"/srv/deskhand\"   # where\n"), "{edited}");
    let read = Settings::parse(&edited).unwrap();
    assert_eq!((read.max_targets, read.log_files, read.name), (Some(9), Some(3), None));
    assert_eq!(read.presence.unwrap(), ["c:1", "d:2"]);
    let fresh = edit("", &[change("listen.api", "127.0.0.1:2")]).unwrap();
    assert_eq!(fresh, "[listen]\napi = \"127.0.0.1:2\"\n");
    for (name, value) in [("max_target", "1"), ("max_targets", "x"), ("max_targets", "0")] {
        assert!(edit(WHOLE, &[change(name, value)]).is_err(), "{name}={value}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange(text in "(?s).{0,200}", value in "(?s).{0,40}") {
        drop(Settings::parse(&text));
        drop(edit(&text, &[change("name", &value)]));
        if !value.is_empty() {
            let edited = edit("", &[change("name", &value)]).unwrap();
            proptest::prop_assert_eq!(Settings::parse(&edited).unwrap().name, Some(value));
        }
    }
}
