//! A light look into the expressions of a template: which filters and tests they use.
//!
//! The template is already known to be well formed; this only finds words after `|` and `is`.

/// One `{{ … }}` or `{% … %}`.
pub(super) struct Block<'a> {
    pub(super) text: &'a str,
    /// `{{ … }}`: its value becomes part of the text.
    pub(super) is_output: bool,
}

/// The blocks of a template in their order, without comments and raw parts.
pub(super) fn blocks(source: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut is_raw = false;
    while let Some(begin) = rest.find('{') {
        let inner = rest.get(begin + 2..).unwrap_or("");
        let end_mark = match rest.as_bytes().get(begin + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                rest = &rest[begin + 1..];
                continue;
            }
        };
        let length = end_of(inner, end_mark);
        let text = inner[..length].trim_matches(['-', '+']).trim();
        match (end_mark, text) {
            ("%}", "raw") => is_raw = true,
            ("%}", "endraw") => is_raw = false,
            ("#}", _) => {}
            _ if is_raw => {}
            _ => found.push(Block { text, is_output: end_mark == "}}" }),
        }
        rest = inner.get(length + 2..).unwrap_or("");
    }
    found
}

/// Where `mark` begins outside of quotes; the whole length when it is missing.
fn end_of(text: &str, mark: &str) -> usize {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, letter)) = chars.next() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) if letter == '\\' => {
                chars.next();
            }
            Some(_) => {}
            None if mark != "#}" && matches!(letter, '"' | '\'') => quote = Some(letter),
            None if text[at..].starts_with(mark) => return at,
            None => {}
        }
    }
    text.len()
}

/// A filter or test that a block uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) name: &'a str,
    pub(super) is_filter: bool,
    /// Not within parentheses or brackets.
    pub(super) is_outermost: bool,
}

impl Block<'_> {
    pub(super) fn words(&self) -> Vec<Word<'_>> {
        let tokens = tokens(self.text);
        let mut depth = 0usize;
        let mut found = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            match *token {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "|" | "is" => {
                    let after = if tokens.get(index + 1) == Some(&"not") { 2 } else { 1 };
                    if let Some(name) = tokens.get(index + after).filter(|name| is_word(name)) {
                        let is_filter = *token == "|";
                        found.push(Word { name, is_filter, is_outermost: depth == 0 });
                    }
                }
                _ => {}
            }
        }
        found
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words and single signs; quoted texts as the quote alone.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let inner = &rest[1..];
                found.push(&rest[..1]);
                let closing = if first == '"' { "\"" } else { "'" };
                rest = inner.get(closing_quote(inner, closing) + 1..).unwrap_or("");
                continue;
            }
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    found
}

fn closing_quote(text: &str, quote: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        if !is_escaped && text[at..].starts_with(quote) {
            return at;
        }
        is_escaped = !is_escaped && letter == '\\';
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        let blocks = blocks(source);
        blocks
            .iter()
            .flat_map(|block| {
                block.words().into_iter().map(|word| word.name.to_owned()).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn filters_and_tests_are_found_outside_of_quotes() {
        assert_eq!(names("{{ a | sh }} {{ '}} | x' | cmd }}"), ["sh", "cmd"]);
        assert_eq!(
            names("{% if a is not defined %}{{- b|default('|') -}}{% endif %}"),
            ["defined", "default"]
        );
        assert_eq!(names("{# a | b #}{% raw %}{{ a | c }}{% endraw %}{ | d }"), [""; 0]);
        assert_eq!(names("{{ \"\\\" | a\" }}{{"), [""; 0]);
    }

    #[test]
    fn only_the_last_outer_filter_quotes() {
        let blocks = blocks("{{ f(a | sh) | upper }}");
        let words: Vec<_> = blocks[0].words();
        assert!(!words[0].is_outermost && words[1].is_outermost);
    }
}
