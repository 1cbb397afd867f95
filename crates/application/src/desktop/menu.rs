//! Program groups: what makes a sub-menu of the desktop's menu.

use super::{Lines, WriteError, plain};

/// The files of a program group and what its entries carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whatever has it among its categories is shown in the group.
    pub category: String,
    /// Name and text of a file of `applications-merged`.
    pub menu: (String, String),
    /// Names and texts of files of `desktop-directories`, one for each level.
    pub folders: Vec<(String, String)>,
}

const HEAD: &str = "<!DOCTYPE Menu PUBLIC \"-//freedesktop//DTD Menu 1.0//EN\"\n \
                    \"http://www.freedesktop.org/standards/menu-spec/1.0/menu.dtd\">\n";

/// A group by its path: `Office`, `Office/Viewers`.
pub fn group(path: &str) -> Result<Group, WriteError> {
    let names: Vec<&str> =
        path.split(['/', '\\']).map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Err(WriteError::NoName);
    }
    let category = category(&names);
    let mut folders = Vec::new();
    let (mut open, mut close) = (String::new(), String::new());
    for depth in 1..=names.len() {
        let name = names[depth - 1];
        let file = format!("deskhand-{}.directory", plain(&names[..depth].join("-")));
        let mut lines = Lines::new("Directory");
        lines.push("Name", name)?;
        open += &format!(
            "<Menu>\n<Name>{}</Name>\n<Directory>{}</Directory>\n",
            escaped(name),
            escaped(&file)
        );
        close += "</Menu>\n";
        folders.push((file, lines.text));
    }
    let text = format!(
        "{HEAD}<Menu>\n<Name>Applications</Name>\n{open}\
         <Include><Category>{category}</Category></Include>\n{close}</Menu>\n"
    );
    Ok(Group {
        menu: (format!("deskhand-{}.menu", plain(&names.join("-"))), text),
        category,
        folders,
    })
}

/// The same for the same group only: what is no letter or digit is written by its code.
fn category(names: &[&str]) -> String {
    let mut category = String::from("X-Deskhand");
    for name in names {
        category.push('-');
        for c in name.chars() {
            match c {
                c if c.is_ascii_alphanumeric() => category.push(c),
                c => category += &format!("-{:x}-", u32::from(c)),
            }
        }
    }
    category
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
