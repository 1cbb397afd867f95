//! Tidy's own rules, by small files that keep or break them.

use super::source::Source;
use super::{codes, habits, pure, sizes};

fn lines(offences: &[super::Offence]) -> Vec<String> {
    offences
        .iter()
        .map(|offence| format!("{}:{} {}", offence.path, offence.line, offence.what))
        .collect()
}

fn rules(path: &str, text: &str) -> Vec<(usize, &'static str)> {
    habits::check(&Source::new(path, text))
        .iter()
        .map(|offence| (offence.line, offence.rule))
        .collect()
}

fn impure(text: &str) -> Vec<usize> {
    let source = Source::new("crates/model/src/a.rs", text);
    let mut lines: Vec<usize> = pure::check(&source).iter().map(|offence| offence.line).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn only_code_is_left() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x\"y", 1)"#, "f(      , 1)"),
        (r###"f(r#"x"y"#, 1)"###, "f(        , 1)"),
        (r#"f(b"x", c"y")"#, "f(    ,     )"),
        ("let c: &'a str = '\"';", "let c: &'a str =    ;"),
        (r"match c { '\'' => 1, '{' => 2 }", "match c {      => 1,     => 2 }"),
        ("for x in y { r }", "for x in y { r }"),
        ("a // é\nb", "a      \nb"),
    ];
    for (text, expect) in cases {
        assert_eq!(Source::new("a.rs", text).code, expect, "{text}");
    }
}

#[test]
fn pure_crates_name_nothing_that_waits_or_looks_out() {
    assert_eq!(impure("use std::time::Instant;\nasync fn x() {}\nuse std::fs;"), [1, 2, 3]);
    assert_eq!(
        impure("use std::{\n    env,\n    fmt::{self, net},\n    net::TcpStream,\n};"),
        [2, 4]
    );
    assert_eq!(impure("let a: HashMap<u8, u8>;\nlet b = MyHashMap::new();"), [1]);
    assert_eq!(impure("// tokio is not here\nlet a = \"SystemTime\";\nlet operand = brand;"), []);
    assert_eq!(
        impure("#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nuse std::net::IpAddr;"),
        [5]
    );
    assert!(pure::check(&Source::new("crates/server/src/a.rs", "use std::fs;")).is_empty());
    assert!(pure::check(&Source::new("crates/model/tests/a.rs", "use std::fs;")).is_empty());
}

#[test]
fn pure_crates_do_not_depend_on_what_waits() {
    let text = "[dependencies]\nuuid = \"1\"\ntokio = \"1\"\n[dev-dependencies]\nrand = \"1\"\n";
    let found = pure::check(&Source::new("crates/trust/Cargo.toml", text));
    assert_eq!(lines(&found), ["crates/trust/Cargo.toml:3 a pure crate depends on tokio"]);
}

#[test]
fn a_file_begins_with_what_it_is() {
    assert_eq!(rules("crates/a/src/lib.rs", "//! A.\n"), []);
    assert_eq!(rules("crates/a/src/lib.rs", "fn a() {}\n"), [(1, "opening")]);
    assert_eq!(rules("docs/a.md", "text\n"), []);
}

#[test]
fn nothing_is_left_unfinished() {
    assert_eq!(
        rules("a/src/a.rs", "//! A.\nfn a() { todo!() }\n// FIXME later\n"),
        [(2, "unfinished"), (3, "unfinished")]
    );
    assert_eq!(
        rules("a/src/a.rs", "//! A.\nconst A: &str = \"TODO dbg!\"; // a method of mytodo!\n"),
        []
    );
}

#[test]
fn tests_do_not_sleep() {
    let call = "//! A.\nfn a() { tokio::time::sleep(x).await }\n";
    assert_eq!(rules("crates/a/tests/a.rs", call), [(2, "sleep")]);
    assert_eq!(rules("crates/a/src/a/tests.rs", "//! A.\nfn a() { sleep(x) }\n"), [(2, "sleep")]);
    assert_eq!(rules("crates/a/src/a.rs", call), []);
    assert_eq!(
        rules(
            "crates/a/src/a.rs",
            "//! A.\n#[cfg(test)]\nmod tests { fn a() { sleep(x); clock.sleep(x) } }"
        ),
        [(3, "sleep")]
    );
    assert_eq!(
        rules(
            "crates/a/tests/a.rs",
            "//! A.\nfn sleep() {}\nfn a() { clock.sleep(x); sh(\"sleep(5)\") }\n"
        ),
        []
    );
}

#[test]
fn one_room_may_be_unsafe() {
    let text = "//! A.\n#![deny(unsafe_code)]\nunsafe fn a() {}\n";
    assert_eq!(rules("crates/model/src/a.rs", text), [(3, "unsafe")]);
    assert_eq!(rules("crates/machine/src/a.rs", text), []);
}

#[test]
fn nothing_names_one_machine() {
    let root = concat!("/ro", "ot");
    let work = concat!("/wo", "rk");
    assert_eq!(
        rules("docs/a.md", &format!("cd {root}\n`{work}/main`\n")),
        [(1, "machine"), (2, "machine")]
    );
    assert_eq!(
        rules(
            "docs/a.md",
            &format!("{work}flow {root}s a{root} runs/{{id}}{root}/x {root}-less\n")
        ),
        []
    );
    assert_eq!(rules("ui/a.json", concat!("https://registry.", "npmjs.org/x")), [(1, "machine")]);
}

#[test]
fn an_example_that_compiles_is_seen() {
    assert!(habits::has_example("/// ```\n/// let a = 1;\n/// ```\n"));
    assert!(!habits::has_example("//! ```text\n//! a\n//! ```\n"));
    assert!(!habits::has_example("let a = \"```\";\n"));
}

#[test]
fn codes_and_pages_belong_together() {
    let sources = [
        Source::new(
            "crates/a/src/lib.rs",
            "//! A.\nconst A: &str = \"DH-W12\";\nconst B: &str = \"DH-S1\"; // DH-x\n",
        ),
        Source::new("docs/errors/DH-W12.md", "# A"),
        Source::new("docs/errors/DH-T9.md", "# B"),
        Source::new("docs/errors/README.md", "# Errors"),
    ];
    let expect = [
        "crates/a/src/lib.rs:3 DH-S1 has no page docs/errors/DH-S1.md",
        "docs/errors/DH-T9.md:1 no program uses DH-T9",
    ];
    assert_eq!(lines(&codes::check(&sources)), expect);
}

fn function(name: &str, statements: usize) -> String {
    format!("fn {name}(a: [u8; 2]) {{\n{}}}\n", "    a(\"{\"); // {\n\n".repeat(statements))
}

#[test]
fn sizes_are_counted_in_lines_of_code() {
    let sources = [
        Source::new("a.rs", &(function("small", 68) + &function("large", 69))),
        Source::new("b.rs", &"const A: u8 = 1;\n".repeat(501)),
        Source::new("c.rs", &format!("// {}\n// {}\n", "é".repeat(97), "é".repeat(98))),
    ];
    let expect = [
        "c.rs:2 `columns c.rs` is 1, allowed are 0",
        "b.rs:1 `file b.rs` is 501, allowed are 500",
        "a.rs:139 `function a.rs large` is 71, allowed are 70",
    ];
    assert_eq!(lines(&sizes::check("list", "", &sources)), expect);
}

#[test]
fn the_list_of_sizes_only_shrinks() {
    let sources = [Source::new("a.rs", &function("large", 80))];
    let list = "# why\nfile gone.rs 600\nfunction a.rs large 90\n";
    let expect = [
        "list:2 `file gone.rs` is no longer needed (--bless takes it off)",
        "list:3 `function a.rs large` has shrunk to 82 (--bless takes it down)",
    ];
    assert_eq!(lines(&sizes::check("list", list, &sources)), expect);
    let shrunk = sizes::shrink(list, &sources);
    assert_eq!(shrunk, "# why\nfunction a.rs large 82\n");
    assert!(sizes::check("list", &shrunk, &sources).is_empty());
    let grown = [Source::new("a.rs", &function("large", 81))];
    assert_eq!(
        lines(&sizes::check("list", &shrunk, &grown)),
        ["a.rs:1 `function a.rs large` has grown from 82 to 83"]
    );
    assert_eq!(sizes::shrink(&shrunk, &grown), shrunk);
}
