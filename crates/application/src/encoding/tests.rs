//! Any bytes come back; what is added is in the encoding of the file.

use proptest::prelude::*;

use super::*;

const GREEK: Convention = Convention::windows(CodePage(encoding_rs::WINDOWS_1253));
const JAPANESE: Convention = Convention::windows(CodePage(encoding_rs::SHIFT_JIS));
const WESTERN: Convention = Convention::windows(CodePage::WINDOWS_1252);

fn utf16(text: &str, mark: [u8; 2], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect()
}

#[test]
fn an_encoding_is_told_by_mark_then_by_bytes() {
    let ansi = Encoding::Ansi(CodePage::WINDOWS_1252);
    for (bytes, on_windows, on_linux) in [
        (&b"plain"[..], ansi, Encoding::Utf8),
        (b"", ansi, Encoding::Utf8),
        (b"\xEF\xBB\xBFa", Encoding::Utf8Marked, Encoding::Utf8Marked),
        (b"\xFF\xFEa\0", Encoding::Utf16Le, Encoding::Utf16Le),
        (b"\xFE\xFF\0a", Encoding::Utf16Be, Encoding::Utf16Be),
        ("Größe".as_bytes(), Encoding::Utf8, Encoding::Utf8),
        (b"Gr\xF6\xDFe", ansi, ansi),
    ] {
        assert_eq!(Encoding::detect(bytes, CodePage::WINDOWS_1252), on_windows, "{bytes:?}");
        assert_eq!(Encoding::detect(bytes, CodePage::UTF_8), on_linux, "{bytes:?}");
    }
}

#[test]
fn text_is_read_in_every_encoding() {
    let text = "Größe\r\n=5€";
    let ansi = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let marked = [&UTF8_BOM, text.as_bytes()].concat();
    for bytes in [
        ansi,
        marked,
        text.as_bytes().to_vec(),
        utf16(text, UTF16LE_BOM, u16::to_le_bytes),
        utf16(text, UTF16BE_BOM, u16::to_be_bytes),
    ] {
        let mut lines = Lines::parse(&bytes, WESTERN);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["Größe", "=5€"]);
        assert_eq!(lines.to_bytes(), bytes);
        lines.insert(1, "ä");
        let again = Lines::parse(&lines.to_bytes(), WESTERN);
        assert_eq!(again.iter().collect::<Vec<_>>(), ["Größe", "ä", "=5€"]);
        assert_eq!(again.encoding(), lines.encoding());
    }
}

#[test]
fn lines_keep_their_ends_and_new_ones_take_the_most_used() {
    for (before, at, after) in [
        ("", 0, "new\n"),
        ("a", 1, "a\nnew"),
        ("a", 0, "new\na"),
        ("a\r\nb\nc\r\n", 3, "a\r\nb\nc\r\nnew\r\n"),
        ("a\rb\r\nc\rd", 2, "a\rb\r\nnew\rc\rd"),
        ("a\r\nb\n", 1, "a\r\nnew\r\nb\n"),
        ("\n\n", 2, "\n\nnew\n"),
    ] {
        let mut lines = Lines::parse(before.as_bytes(), Convention::LINUX);
        lines.insert(at, "new");
        assert_eq!(String::from_utf8(lines.to_bytes()).unwrap(), after, "{before:?}");
        lines.remove(at);
        assert_eq!(String::from_utf8(lines.to_bytes()).unwrap(), before, "{before:?}");
    }
}

#[test]
fn a_character_that_the_file_cannot_hold_is_named() {
    for (bytes, convention, text, expect) in [
        (&b"x"[..], WESTERN, "ok €", None),
        (b"x", WESTERN, "5 ж", Some('ж')),
        (b"x", GREEK, "αβ", None),
        (b"x", GREEK, "é", Some('é')),
        (b"\x93\xFA", JAPANESE, "日本", None),
        (b"x", Convention::LINUX, "ж", None),
        (b"\xFF\xFEx\0", WESTERN, "ж😀", None),
        (b"x", Convention::LINUX, "\u{10FF41}", Some('\u{10FF41}')),
    ] {
        let found = Lines::parse(bytes, convention).encoding().check(text).err();
        assert_eq!(found.map(|error| error.character), expect, "{text}");
    }
    let error = Encoding::Ansi(CodePage::WINDOWS_1252).check("ж").unwrap_err();
    let said = "`ж` (U+0436) cannot be written in windows-1252, the encoding of this file";
    assert_eq!(error.to_string(), said);
}

#[test]
fn every_code_page_of_windows_keeps_every_pair_of_bytes() {
    for number in [874, 932, 936, 949, 950].into_iter().chain(1250..=1258).chain([65001]) {
        let code_page = CodePage::by_number(number).unwrap();
        for first in 0x80..=u8::MAX {
            let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|second| [first, second, b' ']).collect();
            let lines = Lines::parse(&bytes, Convention::windows(code_page));
            assert_eq!(lines.to_bytes(), bytes, "{number} {first:x}");
        }
    }
    assert_eq!(CodePage::by_number(37), None);
}

proptest! {
    #[test]
    fn any_bytes_come_back(
        mark in prop::sample::select(vec![&b""[..], &UTF8_BOM, &UTF16LE_BOM, &UTF16BE_BOM]),
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\0\xF4\x8F\xBD\xDB\xFF".to_vec())],
            0..60,
        ),
        convention in prop::sample::select(vec![Convention::LINUX, WESTERN, GREEK, JAPANESE]),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = [mark, &bytes].concat();
        let mut lines = Lines::parse(&bytes, convention);
        prop_assert_eq!(&lines.to_bytes(), &bytes);
        let at = at.index(lines.len() + 1);
        lines.insert(at, "new");
        lines.remove(at);
        prop_assert_eq!(lines.to_bytes(), bytes);
    }

    #[test]
    fn any_text_is_read_as_it_is(text in any::<String>()) {
        let bytes = utf16(&text, UTF16LE_BOM, u16::to_le_bytes);
        let lines = Lines::parse(&bytes, WESTERN);
        prop_assert_eq!(lines.to_bytes(), bytes);
        let marked = [&UTF8_BOM, text.as_bytes()].concat();
        let mut read = String::new();
        for line in &Lines::parse(&marked, WESTERN).lines {
            read.push_str(&line.text);
            read.push_str(line.end.as_str());
        }
        let has_raw = text.contains(|c| RAW.contains(&c));
        prop_assert_eq!(has_raw || read == text, true);
    }
}
