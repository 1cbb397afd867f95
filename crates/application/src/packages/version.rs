//! The order of versions as `dpkg` and `rpm` see it (deb-version(7); rpm-version(7)).

use std::cmp::Ordering;

/// `[epoch:]version[-revision]`.
pub fn compare_deb(one: &str, other: &str) -> Ordering {
    let parts = |version| {
        let (epoch, rest) = epoch(version);
        let (version, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, version, revision)
    };
    let ((epoch, version, revision), (other_epoch, other_version, other_revision)) =
        (parts(one.trim()), parts(other.trim()));
    number(epoch, other_epoch)
        .then_with(|| deb_part(version, other_version))
        .then_with(|| deb_part(revision, other_revision))
}

/// `[epoch:]version[-release]`; a release that one of them lacks does not count.
pub fn compare_rpm(one: &str, other: &str) -> Ordering {
    let parts = |version| {
        let (epoch, rest) = epoch(version);
        let (version, release) = match rest.split_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        (epoch, version, release)
    };
    let ((epoch, version, release), (other_epoch, other_version, other_release)) =
        (parts(one.trim()), parts(other.trim()));
    number(epoch, other_epoch).then_with(|| rpm_part(version, other_version)).then_with(|| {
        match (release, other_release) {
            (Some(release), Some(other)) => rpm_part(release, other),
            _ => Ordering::Equal,
        }
    })
}

fn epoch(version: &str) -> (&str, &str) {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version.split_once(':').filter(|(epoch, _)| is_number(epoch)).unwrap_or(("", version))
}

/// Digits of any length.
fn number(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// What is no number and numbers by turns: of the former `~` comes before the end, letters before
/// all else.
fn deb_part(mut one: &str, mut other: &str) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let (words, other_words) = (not_digits(one), not_digits(other));
        let length = words.len().max(other_words.len());
        let weights = |text: &str| -> Vec<i32> {
            let known = text.bytes().map(weight);
            known.chain(std::iter::repeat(0)).take(length).collect()
        };
        let order = weights(words).cmp(&weights(other_words));
        let (numbers, rest) = digits(&one[words.len()..]);
        let (other_numbers, other_rest) = digits(&other[other_words.len()..]);
        let order = order.then_with(|| number(numbers, other_numbers));
        if order.is_ne() {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
    Ordering::Equal
}

fn not_digits(text: &str) -> &str {
    &text[..text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len())]
}

fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => byte.into(),
        byte => i32::from(byte) + 256,
    }
}

/// Runs of digits or of letters by turns, whatever stands between; `~` comes before the end, `^`
/// behind it but before anything else.
fn rpm_part(one: &str, other: &str) -> Ordering {
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^';
    let (mut one, mut other) = (one, other);
    loop {
        one = one.trim_start_matches(separates);
        other = other.trim_start_matches(separates);
        let (tilde, other_tilde) = (one.strip_prefix('~'), other.strip_prefix('~'));
        match (tilde, other_tilde) {
            (Some(rest), Some(other_rest)) => {
                (one, other) = (rest, other_rest);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (one.strip_prefix('^'), other.strip_prefix('^')) {
            (Some(rest), Some(other_rest)) => {
                (one, other) = (rest, other_rest);
                continue;
            }
            (Some(_), None) if other.is_empty() => return Ordering::Greater,
            (None, Some(_)) if one.is_empty() => return Ordering::Less,
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if one.is_empty() || other.is_empty() {
            return one.len().cmp(&other.len());
        }
        let is_number = one.starts_with(|c: char| c.is_ascii_digit());
        let run = |text| if is_number { digits(text) } else { letters(text) };
        let ((run, rest), (other_run, other_rest)) = (run(one), run(other));
        if other_run.is_empty() {
            // A number is later than letters.
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number { number(run, other_run) } else { run.cmp(other_run) };
        if order.is_ne() {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

fn letters(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len()))
}
