//! The words of choices and what they mean: one list for the table, for reading and printing.

use application::{
    Comparison, FileRule, IniRule, Reboot, RegistryRule, Removal, ResultAction, SearchType,
};
use jiff::civil::Weekday;

/// Both ways between a word and its meaning.
macro_rules! words {
    ($kind:ty, $read:ident, $write:ident, $all:ident:
        $($word:literal => $meaning:path),+ $(,)?) => {
        pub const $all: &[&str] = &[$($word),+];

        pub fn $read(word: &str) -> Option<$kind> {
            match word {
                $($word => Some($meaning),)+
                _ => None,
            }
        }

        pub fn $write(meaning: $kind) -> &'static str {
            match meaning {
                $($meaning => $word,)+
            }
        }
    };
}

words! { RegistryRule, registry_rule, registry_word, REGISTRY_RULES:
    "create_always" => RegistryRule::CreateAlways,
    "create_if_absent" => RegistryRule::CreateIfAbsent,
    "create_if_exists" => RegistryRule::CreateIfExists,
    "delete" => RegistryRule::Delete,
    "append" => RegistryRule::Append,
    "prepend" => RegistryRule::Prepend,
}

words! { FileRule, file_rule, file_word, FILE_RULES:
    "always" => FileRule::Always,
    "if_exists" => FileRule::IfExists,
    "if_absent" => FileRule::IfAbsent,
    "if_newer" => FileRule::IfNewer,
    "if_newer_and_exists" => FileRule::IfNewerAndExists,
    "if_newer_version" => FileRule::IfNewerVersion,
    "request_confirmation" => FileRule::RequestConfirmation,
    "if_different" => FileRule::IfDifferent,
}

words! { IniRule, ini_rule, ini_word, INI_RULES:
    "create_always" => IniRule::CreateAlways,
    "create_if_absent" => IniRule::CreateIfAbsent,
    "create_if_exists" => IniRule::CreateIfExists,
    "add_to_section" => IniRule::AddToSection,
    "append_to_value" => IniRule::AppendToValue,
    "delete" => IniRule::Delete,
    "remove_from_value" => IniRule::RemoveFromValue,
}

words! { SearchType, search_type, search_word, SEARCH_TYPES:
    "substring" => SearchType::Substring,
    "whole_word" => SearchType::WholeWord,
    "start_of_line" => SearchType::StartOfLine,
    "end_of_line" => SearchType::EndOfLine,
    "entire_line" => SearchType::EntireLine,
}

words! { ResultAction, action, action_word, ACTIONS:
    "add_line_after" => ResultAction::AddLineAfter,
    "add_line_before" => ResultAction::AddLineBefore,
    "add_word_after" => ResultAction::AddWordAfter,
    "add_word_before" => ResultAction::AddWordBefore,
    "delete_string" => ResultAction::DeleteString,
    "delete_word" => ResultAction::DeleteWord,
    "delete_line" => ResultAction::DeleteLine,
    "delete_all_lines_after" => ResultAction::DeleteAllLinesAfter,
    "delete_all_lines_before" => ResultAction::DeleteAllLinesBefore,
    "replace_string" => ResultAction::ReplaceString,
    "replace_word" => ResultAction::ReplaceWord,
    "replace_line" => ResultAction::ReplaceLine,
    "append_line" => ResultAction::AppendLine,
    "prepend_line" => ResultAction::PrependLine,
    "append_to_file_if_not_found" => ResultAction::AppendToFileIfNotFound,
    "prepend_to_file_if_not_found" => ResultAction::PrependToFileIfNotFound,
}

words! { Comparison, comparison, comparison_word, COMPARISONS:
    "equals" => Comparison::Equal,
    "not_equals" => Comparison::NotEqual,
    "less" => Comparison::Less,
    "less_or_equal" => Comparison::LessOrEqual,
    "greater" => Comparison::Greater,
    "greater_or_equal" => Comparison::GreaterOrEqual,
}

words! { Reboot, reboot, reboot_word, REBOOTS:
    "if_needed" => Reboot::IfNeeded,
    "always" => Reboot::Always,
    "never" => Reboot::Never,
}

words! { Removal, removal, removal_word, REMOVALS:
    "restore" => Removal::Restore,
    "keep" => Removal::Keep,
}

/// Whether the action puts a text somewhere.
pub fn inserts(action: ResultAction) -> bool {
    !matches!(
        action,
        ResultAction::DeleteString
            | ResultAction::DeleteWord
            | ResultAction::DeleteLine
            | ResultAction::DeleteAllLinesAfter
            | ResultAction::DeleteAllLinesBefore
    )
}

pub(super) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
