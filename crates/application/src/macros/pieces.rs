//! A text cut into what stands for itself and the names of macros.

/// Of the text between two percent signs.
const NAME_CHARS_MAX: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    Plain(&'t str),
    /// Without what encloses it.
    Macro(&'t str),
}

/// In order; no piece is lost but the signs that enclose macros, and the second of `%%` and `$$`.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, length) = first(rest);
        rest = &rest[length..];
        Some(piece)
    })
}

/// The piece that the text, which is not empty, begins with, and the bytes that it takes.
fn first(text: &str) -> (Piece<'_>, usize) {
    if text.starts_with("%%") {
        return (Piece::Plain("%"), 2);
    }
    if text.starts_with("$${") {
        return (Piece::Plain("${"), 3);
    }
    let percent = text.strip_prefix('%').and_then(|inner| Some((inner, inner.find('%')?, 2)));
    let brace = text.strip_prefix("${").and_then(|inner| Some((inner, inner.find('}')?, 3)));
    if let Some((inner, end, around)) = percent.or(brace)
        && is_name(&inner[..end])
    {
        return (Piece::Macro(&inner[..end]), end + around);
    }
    let sign = text.chars().next().map_or(0, char::len_utf8);
    let length = text[sign..].find(['%', '$']).map_or(text.len(), |next| sign + next);
    (Piece::Plain(&text[..length]), length)
}

fn is_name(name: &str) -> bool {
    let inner = name.strip_prefix('*').unwrap_or(name);
    let may_be_in = |c: char| c.is_alphanumeric() || " _-.;,=()#".contains(c);
    !inner.is_empty()
        && inner.trim() == inner
        && inner.chars().all(may_be_in)
        && inner.chars().count() <= NAME_CHARS_MAX
}
