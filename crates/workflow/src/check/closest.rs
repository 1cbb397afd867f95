//! "Did you mean": the known word nearest to a wrong one.

/// Longer words are not compared: nobody mistypes them into one another.
const LENGTH_MAX: usize = 64;

/// The word of `known` that `wrong` was probably meant to be: at most a third of its letters are
/// missing, added, changed or swapped with their neighbour. Upper and lower case are the same.
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let wrong = letters(wrong);
    if wrong.is_empty() || wrong.len() > LENGTH_MAX {
        return None;
    }
    known
        .into_iter()
        .filter(|word| word.len() <= 4 * LENGTH_MAX)
        .filter_map(|word| {
            let other = letters(word);
            let bound = (wrong.len().max(other.len()) / 3).max(1);
            let far = wrong.len().abs_diff(other.len()) > bound;
            let distance = if far { bound + 1 } else { distance(&wrong, &other) };
            (distance <= bound).then_some((distance, word))
        })
        .min()
        .map(|(_, word)| word)
}

/// The number of letters added, removed, changed or swapped with their neighbour.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut line = Vec::with_capacity(above.len());
        line.push(row + 1);
        for (column, its) in other.iter().enumerate() {
            let mut cost = above[column] + usize::from(letter != its);
            cost = cost.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && one[row - 1] == *its && other[column - 1] == *letter {
                cost = cost.min(before[column - 1] + 1);
            }
            line.push(cost);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(one.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["upload", "download", "empty", "wait"];
        for (wrong, near) in [
            ("uplaod", Some("upload")),
            ("UPLOAD", Some("upload")),
            ("downlod", Some("download")),
            ("wiat", Some("wait")),
            ("registry", None),
            ("", None),
            ("ä", None),
        ] {
            assert_eq!(closest(wrong, known), near, "{wrong}");
        }
        assert_eq!(closest(&"x".repeat(1000), known), None);
    }
}
