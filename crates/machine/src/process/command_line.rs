//! Command lines of Windows: one text that each program takes apart by itself.
//!
//! Programs follow the C runtime's rules, `cmd` its own; an argument that cannot be kept whole
//! through `cmd` is refused (BatBadBut, CVE-2024-24576). Pure text, so tested on every system.

#![cfg_attr(not(windows), allow(dead_code))]

/// For `cmd /d /s /c`: the outer quotes go, everything between them stays as it is.
pub(super) fn shell(cmd: &str, text: &str) -> String {
    format!("{} /d /s /c \"{text}\"", quoted(cmd))
}

/// For a program that takes its line apart as the C runtime does.
pub(super) fn list(program: &str, arguments: &[String]) -> String {
    arguments.iter().fold(quoted(program), |line, word| format!("{line} {}", argument(word)))
}

/// For a batch file. The error is the text that cannot be passed.
pub(super) fn batch(cmd: &str, file: &str, arguments: &[String]) -> Result<String, String> {
    let mut line = format!("{} /e:on /v:off /d /c \"", quoted(cmd));
    line.push_str(&batch_word(file)?);
    for word in arguments {
        line.push(' ');
        line.push_str(&batch_word(word)?);
    }
    line.push('"');
    Ok(line)
}

/// Within quotes nothing is special to `cmd` but `"`, `%` and the end of the line.
fn batch_word(word: &str) -> Result<String, String> {
    if word.contains(['"', '%', '\r', '\n']) {
        return Err(word.to_owned());
    }
    let trailing = word.len() - word.trim_end_matches('\\').len();
    Ok(format!("\"{word}{}\"", "\\".repeat(trailing)))
}

pub(super) fn is_batch(file: &str) -> bool {
    // Windows drops trailing dots and blanks of names.
    let file = file.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    file.ends_with(".bat") || file.ends_with(".cmd")
}

/// Program names hold no quotes.
fn quoted(program: &str) -> String {
    format!("\"{program}\"")
}

/// Backslashes count only before a quote, where they are doubled.
fn argument(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '\n', '\x0b', '"']) {
        return word.to_owned();
    }
    let mut line = String::from("\"");
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                line.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(c);
    }
    line.push_str(&"\\".repeat(backslashes));
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_kept_whole() {
        for (word, expect) in [
            ("plain", "plain"),
            ("", "\"\""),
            ("two words", "\"two words\""),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"C:\dir\", r"C:\dir\"),
            (r"C:\my dir\", r#""C:\my dir\\""#),
            (r#"a\"b"#, r#""a\\\"b""#),
        ] {
            assert_eq!(argument(word), expect, "{word}");
        }
        assert_eq!(list("a b", &["c d".into(), "e".into()]), r#""a b" "c d" e"#);
        assert_eq!(shell("cmd", r#"echo "x" & y"#), r#""cmd" /d /s /c "echo "x" & y""#);
    }

    #[test]
    fn batch_files_get_what_is_safe() {
        let safe = batch("cmd", r"C:\x.bat", &["a & b".into(), r"c\".into()]);
        assert_eq!(safe.unwrap(), r#""cmd" /e:on /v:off /d /c ""C:\x.bat" "a & b" "c\\"""#);
        for word in ["\"&calc", "%PATH%", "a\nb", "a\rb"] {
            assert!(batch("cmd", "x.bat", &[word.into()]).is_err(), "{word}");
        }
        for (file, expect) in [("x.bat", true), ("X.CMD. .", true), ("x.exe", false)] {
            assert_eq!(is_batch(file), expect, "{file}");
        }
    }
}
