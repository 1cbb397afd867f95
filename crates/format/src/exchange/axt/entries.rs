//! A template cut into entries.

/// One change.
pub(super) struct Section<'t> {
    /// Of its heading, from 1.
    pub(super) line: usize,
    /// Between the brackets, in small letters, with single blanks.
    pub(super) name: String,
    pub(super) pairs: Vec<Pair<'t>>,
    /// All of its lines, as they stand.
    pub(super) text: Vec<&'t str>,
    /// Lines without `=`.
    pub(super) odd: Vec<(usize, &'t str)>,
}

pub(super) struct Pair<'t> {
    /// In small letters, with single blanks.
    key: String,
    pub(super) value: &'t str,
    pub(super) line: usize,
    /// The line as it stands.
    pub(super) text: &'t str,
}

pub(super) struct Entries<'t> {
    pub(super) sections: Vec<Section<'t>>,
    /// Lines before the first section.
    pub(super) stray: Vec<(usize, &'t str)>,
}

pub(super) fn entries(text: &str) -> Entries<'_> {
    let mut found = Entries { sections: Vec::new(), stray: Vec::new() };
    for (index, whole) in crate::problem::lines(text).into_iter().enumerate() {
        let number = index + 1;
        let line = whole.trim();
        if line.is_empty() || line == "\u{1a}" {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (pairs, odd) = (Vec::new(), Vec::new());
            let section =
                Section { line: number, name: folded(name), pairs, text: vec![whole], odd };
            found.sections.push(section);
            continue;
        }
        let Some(section) = found.sections.last_mut() else {
            found.stray.push((number, whole));
            continue;
        };
        section.text.push(whole);
        match whole.split_once('=') {
            Some((key, value)) => {
                let key = folded(key);
                section.pairs.push(Pair { key, value, line: number, text: whole });
            }
            None => section.odd.push((number, whole)),
        }
    }
    found
}

fn folded(name: &str) -> String {
    let words: Vec<&str> =
        name.split(|letter: char| letter.is_whitespace() || letter == '_').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").to_lowercase()
}

impl<'t> Section<'t> {
    /// Takes out the value of the first key that is one of these words or begins with one.
    pub(super) fn take(&mut self, words: &[&str]) -> Option<&'t str> {
        let is_meant = |key: &str| words.iter().any(|word| key == *word || key.starts_with(word));
        let exact = self.pairs.iter().position(|pair| words.contains(&pair.key.as_str()));
        let at = exact.or_else(|| self.pairs.iter().position(|pair| is_meant(&pair.key)))?;
        Some(self.pairs.remove(at).value)
    }

    /// Takes out all values of a key.
    pub(super) fn take_all(&mut self, word: &str) -> Vec<&'t str> {
        let mut values = Vec::new();
        self.pairs.retain(|pair| {
            let is_meant = pair.key == word;
            values.extend(is_meant.then_some(pair.value));
            !is_meant
        });
        values
    }
}
