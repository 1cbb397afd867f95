//! What scripts can call, as TypeScript declares it: for editors.
//!
//! The activities come from the same table as workflow files are read by, so that a script cannot
//! be offered what the reader refuses.

use std::fmt::Write;

use crate::table::{self, Activity, Parameter, Preset, Shape};

/// The declarations, as text.
pub fn script_declarations() -> String {
    let mut text = script::DECLARATIONS.to_owned();
    for name in script::ACTIVITIES {
        if let Some(activity) = table::activity_named(name) {
            declare(activity, &mut text);
        }
    }
    text
}

fn declare(activity: &Activity, text: &mut String) {
    let Activity { name, about, parameters, .. } = activity;
    let mut fields = String::new();
    for parameter in *parameters {
        field(parameter, &mut fields);
    }
    if !parameters.iter().any(|parameter| parameter.name == "timeout") {
        fields.push_str("  /** After this long it is ended with the event `timeout`. */\n");
        fields.push_str("  timeout?: string;\n");
    }
    let optional = if activity.may_be_empty() { "?" } else { "" };
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        "\n/** {} */\ndeclare function {name}(\n  parameters{optional}: {{\n{}  }},\n  \
         options?: CallOptions,\n): Promise<Ended>;\n",
        comment(about),
        indented(&fields),
    );
}

fn field(parameter: &Parameter, text: &mut String) {
    let default = match parameter.preset {
        Preset::Switch(value) => format!(" Default: {value}."),
        Preset::Count(value) => format!(" Default: {value}."),
        Preset::Word(word) if !word.is_empty() => format!(" Default: {word}."),
        _ => String::new(),
    };
    let optional = if parameter.preset == Preset::Required { "" } else { "?" };
    let (name, about) = (parameter.name, comment(parameter.about));
    let _ =
        write!(text, "  /** {about}{default} */\n  {name}{optional}: {};\n", of(parameter.shape));
}

fn of(shape: Shape) -> String {
    match shape {
        Shape::Plain
        | Shape::Registry
        | Shape::Code
        | Shape::Text
        | Shape::Span
        | Shape::Activity => "string".to_owned(),
        Shape::Texts => "string | string[]".to_owned(),
        Shape::Switch => "boolean".to_owned(),
        Shape::Count => "number".to_owned(),
        Shape::Choice(words) => {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            quoted.join(" | ")
        }
        Shape::Environment | Shape::Variables => "Record<string, string | number>".to_owned(),
        Shape::Transitions | Shape::Activities => "unknown".to_owned(),
    }
}

fn comment(about: &str) -> String {
    about.replace("*/", "* /")
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ACTIVITIES;

    /// The functions that scripts have are all the table's activities that do something on the
    /// target, and no others.
    #[test]
    fn declarations_are_in_step_with_the_table() {
        let text = script_declarations();
        let control =
            ["success", "failure", "retry", "jump", "empty", "synchronization", "choose", "script"];
        for activity in ACTIVITIES {
            let name = activity.name;
            let is_declared = text.contains(&format!("\ndeclare function {name}("));
            let is_called = script::ACTIVITIES.contains(&name);
            let is_elsewhere = script::ELSEWHERE.contains(&name) || control.contains(&name);
            assert_eq!(is_declared, is_called, "{name}");
            assert!(is_called != is_elsewhere, "{name}: can a script call it?");
            for parameter in activity.parameters.iter().filter(|_| is_called) {
                let field = format!("\n    {}", parameter.name);
                assert!(text.contains(&field), "{field}");
            }
        }
        for name in script::ACTIVITIES {
            assert!(table::activity_named(name).is_some(), "{name} is no activity");
        }
    }

    #[test]
    fn declarations_balance() {
        let text = script_declarations();
        let count = |letter: char| text.chars().filter(|found| *found == letter).count();
        assert_eq!((count('{'), count('(')), (count('}'), count(')')));
        assert!(text.contains("log?: \"none\" | \"errors\" | \"all\";"), "{text}");
        assert!(text.contains("command: string | string[];"));
    }
}
