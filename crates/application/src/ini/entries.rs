//! Data that is a list: `sol.exe calc.exe`, `a,b,c`. Who names an entry puts the separator before
//! it: ` calc.exe`, `,b`.
//!
//! A separator between double quotes separates nothing. Data that stands in quotes as a whole is
//! the list inside them, except where blanks separate: then it is one entry.

/// What is added or taken away; usually one.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a> {
    separator: char,
    texts: Vec<&'a str>,
}

impl<'a> Entries<'a> {
    pub(super) fn parse(data: &'a str) -> Option<Self> {
        let separator = data.chars().next().filter(|c| !c.is_alphanumeric())?;
        let texts = split(&data[separator.len_utf8()..], separator).into_iter().map(str::trim);
        let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
        (!texts.is_empty()).then_some(Self { separator, texts })
    }
}

/// The entries at the end of the first value, but for those it has.
pub(super) fn appended(values: &[String], entries: &Entries<'_>) -> Vec<String> {
    let mut values = values.to_vec();
    if values.is_empty() {
        values.push(String::new());
    }
    if let Some(first) = values.first_mut() {
        let mut list = List::parse(first, entries.separator);
        let missing = |text: &&&str| !list.has(text);
        let missing: Vec<&str> = entries.texts.iter().filter(missing).copied().collect();
        if !missing.is_empty() {
            missing.into_iter().for_each(|text| list.push(text));
            *first = list.to_data();
        }
    }
    values
}

/// Every value without the entries; those of which nothing remains go.
pub(super) fn removed(values: &[String], entries: &Entries<'_>) -> Vec<String> {
    let is_removed = |found: &str| entries.texts.contains(&found.trim());
    let remaining = |data: &String| {
        let mut list = List::parse(data, entries.separator);
        if !list.entries.iter().any(|found| is_removed(found)) {
            return Some(data.clone());
        }
        list.entries.retain(|found| !is_removed(found));
        list.entries.iter().any(|found| !found.trim().is_empty()).then(|| list.to_data())
    };
    values.iter().filter_map(remaining).collect()
}

/// A quote without its other half is a character like others.
fn split(text: &str, separator: char) -> Vec<&str> {
    let has_pairs = text.matches('"').count().is_multiple_of(2);
    let mut is_quoted = false;
    let separates = |c: char| {
        is_quoted ^= c == '"' && has_pairs;
        c == separator && !is_quoted
    };
    text.split(separates).collect()
}

struct List<'a> {
    /// Round the whole.
    quote: &'static str,
    separator: char,
    entries: Vec<&'a str>,
}

impl<'a> List<'a> {
    fn parse(data: &'a str, separator: char) -> Self {
        let inside = |quote| data.strip_prefix(quote)?.strip_suffix(quote);
        let quoted = ["\"", "'"].into_iter().find_map(|quote| {
            let inside: &str = inside(quote)?;
            (!separator.is_whitespace() && !inside.contains(quote)).then_some((quote, inside))
        });
        let (quote, inside) = quoted.unwrap_or(("", data));
        Self { quote, separator, entries: split(inside, separator) }
    }

    fn has(&self, entry: &str) -> bool {
        self.entries.iter().any(|found| found.trim() == entry)
    }

    fn push(&mut self, entry: &'a str) {
        match self.entries.as_mut_slice() {
            [only] if only.is_empty() => *only = entry,
            _ => self.entries.push(entry),
        }
    }

    fn to_data(&self) -> String {
        let joined = self.entries.join(&self.separator.to_string());
        format!("{quote}{}{quote}", joined.trim(), quote = self.quote)
    }
}
