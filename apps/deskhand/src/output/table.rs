//! Tables: columns as wide as what is in them, two spaces between, no lines drawn.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::{Paint, clean, line, paint_stdout};

/// One field. What is shown is always cleaned.
pub struct Cell {
    text: String,
    state: String,
}

impl Cell {
    /// Text in the colour of the state that it names.
    pub fn state(word: &str) -> Self {
        Self { text: clean(word).replace('_', " "), state: word.to_owned() }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: clean(text.as_ref()).into_owned(), state: String::new() }
    }
}

pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// On standard output.
    pub fn print(&self) -> std::io::Result<()> {
        self.lines(paint_stdout()).into_iter().try_for_each(line)
    }

    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let widths: Vec<usize> =
            self.heads.iter().enumerate().map(|(c, _)| self.width(c)).collect();
        let heads = self.heads.iter().map(|head| ((*head).to_owned(), head.width()));
        let mut lines = vec![paint.dim(&joined(heads, &widths))];
        lines.extend(self.rows.iter().map(|row| {
            let cells =
                row.iter().map(|cell| (paint.state(&cell.state, &cell.text), cell.text.width()));
            joined(cells, &widths)
        }));
        lines
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.text.width()).max().unwrap_or(0);
        widest.max(self.heads[column].width())
    }
}

fn joined(cells: impl Iterator<Item = (String, usize)>, widths: &[usize]) -> String {
    let mut line = String::new();
    for ((text, width), column) in cells.zip(widths) {
        let _ = write!(line, "{text}{:1$}", "", column - width + 2);
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "STATE", "WHY"]);
        table.row(["pc-1".into(), Cell::state("not_begun"), "offline".into()]);
        table.row(["日本".into(), Cell::state("success"), "".into()]);
        table.row(["long-name\u{1b}".into(), Cell::state("x"), "y".into()]);
        assert_eq!(
            table.lines(Paint::PLAIN),
            [
                "NAME             STATE      WHY",
                "pc-1             not begun  offline",
                "日本             success",
                "long-name\\u{1b}  x          y",
            ]
        );
    }
}
