//! A light look into a template: where its expressions are, how long, and which filters and tests
//! they use.
//!
//! Finds the ends of blocks by the rules of MiniJinja's lexer, so that a limit on their length
//! cannot be got round: its compiler descends once for each operator, and would run out of stack.

/// One `{{ … }}` or `{% … %}`.
pub(crate) struct Block<'a> {
    pub(crate) text: &'a str,
    /// `{{ … }}`: its value becomes part of the text.
    pub(crate) is_output: bool,
}

/// Bytes of one expression. The shortest operators have two bytes, so this is at most half as deep.
const EXPRESSION_MAX: usize = 1_000;
/// `{% … %}` in one template; each `elif` is one deeper.
const STATEMENTS_MAX: usize = 200;

/// Why a template is too much to compile.
pub(crate) fn excess(source: &str) -> Option<String> {
    let mut statements = 0;
    for block in blocks(source) {
        if block.text.len() > EXPRESSION_MAX {
            return Some(format!("an expression is longer than {EXPRESSION_MAX} bytes"));
        }
        statements += usize::from(!block.is_output);
    }
    let message = || format!("it has more than {STATEMENTS_MAX} statements (`{{% … %}}`)");
    (statements > STATEMENTS_MAX).then(message)
}

/// The blocks of a template in their order, without comments and raw parts.
pub(crate) fn blocks(source: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(begin) = rest.find('{') {
        let is_output = match rest.as_bytes().get(begin + 1) {
            Some(b'{') => true,
            Some(b'%') => false,
            Some(b'#') => {
                let inner = &rest[begin + 2..];
                rest = inner.find("#}").map_or("", |end| &inner[end + 2..]);
                continue;
            }
            _ => {
                rest = &rest[begin + 1..];
                continue;
            }
        };
        let inner = &rest[begin + 2..];
        let length = end_of(inner, if is_output { "}}" } else { "%}" });
        let text = inner[..length].trim_matches(['-', '+']).trim();
        rest = inner.get(length + 2..).unwrap_or("");
        if !is_output && text == "raw" {
            rest = after_raw(rest);
        } else {
            found.push(Block { text, is_output });
        }
    }
    found
}

/// What follows the next `{% endraw %}`.
fn after_raw(text: &str) -> &str {
    let mut rest = text;
    while let Some(begin) = rest.find("{%") {
        rest = &rest[begin + 2..];
        let tag = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
        let after = tag.strip_prefix("endraw").map(str::trim_start);
        let after = after.map(|after| after.strip_prefix(['-', '+']).unwrap_or(after));
        if let Some(after) = after.and_then(|after| after.strip_prefix("%}")) {
            return after;
        }
    }
    ""
}

/// Where `mark` begins outside of quotes and brackets; the whole length when it is missing.
fn end_of(text: &str, mark: &str) -> usize {
    let mut quote = None;
    let mut depth = 0isize;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), '\\') => {
                letters.next();
            }
            (Some(_), _) => {}
            (None, _) if depth == 0 && text[at..].starts_with(mark) => return at,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, _) => {}
        }
    }
    text.len()
}

/// A filter or test that a block uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_filter: bool,
    /// Not within parentheses or brackets.
    pub(crate) is_outermost: bool,
}

impl Block<'_> {
    pub(crate) fn words(&self) -> Vec<Word<'_>> {
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
        assert_eq!(names("{% raw %}{{{% endraw %}{{ {'a': {}} | b }}"), ["b"]);
    }

    #[test]
    fn only_the_last_outer_filter_quotes() {
        let blocks = blocks("{{ f(a | sh) | upper }}");
        let words: Vec<_> = blocks[0].words();
        assert!(!words[0].is_outermost && words[1].is_outermost);
    }

    #[test]
    fn templates_that_are_too_much_are_told() {
        assert_eq!(excess(&format!("{}{{{{ a }}}}", "x".repeat(5_000))), None);
        assert_eq!(excess(&"{{ a }}".repeat(5_000)), None);
        assert!(excess(&format!("{{{{ 1{} }}}}", "+1".repeat(600))).is_some());
        assert!(excess(&format!("{{{{ '}}}}' {} }}}}", "+1".repeat(600))).is_some());
        assert!(excess(&format!("{{{{ {{'a':{{}}}} {} }}}}", "|f".repeat(600))).is_some());
        assert!(excess(&format!("{{% if a %}}{}", "{% elif a %}".repeat(300))).is_some());
    }
}
