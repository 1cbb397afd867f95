//! One entry of a template, in the words of applications.

use application::{
    FileItem, FileRule, Handling, IniFile, IniRule, IniSetting, Macro, MacroValue, RegistryEntry,
    RegistryItem, RegistryRule, Text, ValueData, View,
};

use super::FileNames;
use super::entries::Section;
use crate::application::check_key;
use crate::exchange::Taken;

/// Why an entry was not understood.
type Wrong = &'static str;

/// What every entry may say besides.
const FLAGS: &[&str] = &["flag"];

pub(super) fn section(mut section: Section<'_>, names: &FileNames, taken: &mut Taken) {
    let done = match section.name.as_str() {
        name if name.starts_with("axt file") => {
            section.pairs.clear();
            Ok(())
        }
        name if name.starts_with("application name") => application_name(&mut section, taken),
        name if name.starts_with("macro") => own_macro(&mut section, taken),
        name if name.starts_with("registry value create") => value(&mut section, taken),
        name if name.starts_with("registry value delete") => {
            key_or_value(&mut section, taken, RegistryRule::Delete, true)
        }
        name if name.starts_with("registry key create") => {
            key_or_value(&mut section, taken, RegistryRule::CreateAlways, false)
        }
        name if name.starts_with("registry key delete") => {
            key_or_value(&mut section, taken, RegistryRule::Delete, false)
        }
        name if name.starts_with("file copy") => copy(&mut section, names, taken),
        name if name.starts_with("file delete") => {
            target(&mut section).map(|(target, handling)| {
                taken.items.files.push(FileItem::Delete { target, shared: false, handling });
            })
        }
        name if is_folder(name, "create") => target(&mut section).map(|(target, handling)| {
            taken.items.files.push(FileItem::CreateFolder { target, handling });
        }),
        name if is_folder(name, "delete") => target(&mut section).map(|(target, handling)| {
            taken.items.files.push(FileItem::DeleteFolder { target, handling });
        }),
        name if name.starts_with("ini value create") => ini(&mut section, taken, None),
        name if name.starts_with("ini value delete") => {
            ini(&mut section, taken, Some(IniRule::Delete))
        }
        _ => Err("this section is not understood; it is not taken over"),
    };
    match done {
        Err(why) => taken.remark(section.line, why, &section.text),
        Ok(()) => {
            for pair in &section.pairs {
                taken.remark(pair.line, "this line is not understood", &[pair.text]);
            }
            for (line, text) in &section.odd {
                taken.remark(*line, "this line is not understood", &[text]);
            }
        }
    }
}

fn is_folder(name: &str, what: &str) -> bool {
    let rest = name.strip_prefix("directory ").or_else(|| name.strip_prefix("folder "));
    rest.is_some_and(|rest| rest.starts_with(what))
}

fn application_name(section: &mut Section<'_>, taken: &mut Taken) -> Result<(), Wrong> {
    // Whatever its key is called, there is one line.
    if section.pairs.is_empty() {
        return Err("there is no name in it");
    }
    let name = section.pairs.remove(0).value.trim();
    taken.name.get_or_insert_with(|| name.to_owned());
    Ok(())
}

fn own_macro(section: &mut Section<'_>, taken: &mut Taken) -> Result<(), Wrong> {
    let name = section.take(&["name"]).ok_or("a macro without a name is not taken over")?;
    let name = name.trim().trim_matches('%');
    let value = Text::new(section.take(&["value"]).unwrap_or_default());
    match name.to_ascii_uppercase().as_str() {
        "SOURCE_PATH" => {
            let what =
                "put the files of this folder into one of the depot and name that as `source:`";
            taken.remark(section.line, what, &section.text);
            taken.source = Some(value);
        }
        "TARGET_PATH" => taken.target = Some(value),
        _ => {
            let value = match section.take(&["prompt"]) {
                None => MacroValue::Text(value),
                Some(prompt) => {
                    let default = section.take(&["default"]).map_or(value, Text::new);
                    let prompt = prompt.to_owned();
                    MacroValue::Prompted { prompt, default, length_max: None }
                }
            };
            taken.macros.push(Macro { name: name.to_owned(), value });
        }
    }
    Ok(())
}

/// A key with its root; macros may stand in it.
fn key(section: &mut Section<'_>) -> Result<Text, Wrong> {
    let key = section.take(&["key"]).ok_or("it has no `Key`; it is not taken over")?;
    let key = key.trim().trim_end_matches('\\');
    if check_key(key).is_err() {
        return Err("this is no key of the registry; it is not taken over");
    }
    Ok(Text::new(key))
}

fn push(
    taken: &mut Taken,
    key: Text,
    entry: RegistryEntry,
    rule: RegistryRule,
    handling: Handling,
) {
    taken.items.registry.push(RegistryItem { view: View::Bits64, key, entry, rule, handling });
}

fn key_or_value(
    section: &mut Section<'_>,
    taken: &mut Taken,
    preset: RegistryRule,
    has_name: bool,
) -> Result<(), Wrong> {
    let key = key(section)?;
    let rule = match preset {
        RegistryRule::Delete => {
            section.take(FLAGS);
            RegistryRule::Delete
        }
        preset => registry_rule(section, preset)?,
    };
    let entry = match has_name {
        false if matches!(rule, RegistryRule::Append | RegistryRule::Prepend) => {
            return Err("a key has nothing to add to; it is not taken over");
        }
        false => RegistryEntry::Key,
        true => {
            let name = Text::new(section.take(&["name"]).unwrap_or_default());
            RegistryEntry::Value { name, data: None }
        }
    };
    push(taken, key, entry, rule, Handling::default());
    Ok(())
}

fn registry_rule(section: &mut Section<'_>, preset: RegistryRule) -> Result<RegistryRule, Wrong> {
    let Some(flag) = section.take(FLAGS) else { return Ok(preset) };
    let flag = flag.trim().to_lowercase();
    let words = [
        ("append", RegistryRule::Append),
        ("prepend", RegistryRule::Prepend),
        ("delete", RegistryRule::Delete),
    ];
    if let Some((_, rule)) = words.iter().find(|(word, _)| flag.starts_with(word)) {
        return Ok(*rule);
    }
    match when(&flag, &["write", "create"]) {
        Some("" | "always") => Ok(RegistryRule::CreateAlways),
        Some("if exists" | "if exist") => Ok(RegistryRule::CreateIfExists),
        Some("if does not exist" | "if not exists" | "if not exist") => {
            Ok(RegistryRule::CreateIfAbsent)
        }
        _ => Err("its `Flag` is not understood; it is not taken over"),
    }
}

/// What follows the verb of a flag.
fn when<'f>(flag: &'f str, verbs: &[&str]) -> Option<&'f str> {
    verbs.iter().find_map(|verb| flag.strip_prefix(verb)).map(str::trim)
}

fn value(section: &mut Section<'_>, taken: &mut Taken) -> Result<(), Wrong> {
    let kind = section.take(&["type"]).unwrap_or("String").trim().to_lowercase();
    let key = key(section)?;
    let rule = registry_rule(section, RegistryRule::CreateAlways)?;
    let name = section.take(&["name"]).unwrap_or_default();
    let length = section.take(&["length"]);
    let values = section.take_all("value");
    let [first, ..] = values.as_slice() else {
        return Err("it has no `Value`; it is not taken over");
    };
    let name = if kind == "default" { Text::default() } else { Text::new(name) };
    let data = match kind.as_str() {
        "string" | "default" => ValueData::Text(Text::new(values.join("\n"))),
        "expand string" | "expanded string" | "expand" => {
            ValueData::ExpandedText(Text::new(values.join("\n")))
        }
        "multi string" | "multi-string" | "multi-string value" | "multi value string" => {
            ValueData::Texts(values.iter().copied().map(Text::new).collect())
        }
        "dword" => ValueData::Dword(dword(first).ok_or("this is no number; it is not taken over")?),
        "binary" => ValueData::Binary(
            binary(&values, length).ok_or("these are no bytes; it is not taken over")?,
        ),
        _ => return Err("its `Type` is not understood; it is not taken over"),
    };
    let is_text =
        matches!(data, ValueData::Text(_) | ValueData::ExpandedText(_) | ValueData::Texts(_));
    let (entry, rule) = match rule {
        RegistryRule::Append | RegistryRule::Prepend if !is_text => {
            return Err("only texts can be added to; it is not taken over");
        }
        RegistryRule::Delete => (RegistryEntry::Value { name, data: None }, rule),
        rule => (RegistryEntry::Value { name, data: Some(data) }, rule),
    };
    push(taken, key, entry, rule, Handling::default());
    Ok(())
}

/// `0x0000001F`, or digits of ten.
fn dword(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match digits {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn binary(lines: &[&str], length: Option<&str>) -> Option<Vec<u8>> {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    let bytes: Vec<u8> =
        words.map(|word| u8::from_str_radix(word, 16).ok()).collect::<Option<_>>()?;
    let length = length.map(|text| text.trim().parse::<usize>());
    match length {
        Some(Ok(length)) if length != bytes.len() => None,
        Some(Err(_)) => None,
        _ => Some(bytes),
    }
}

/// The target and how it is handled, of what has no source.
fn target(section: &mut Section<'_>) -> Result<(Text, Handling), Wrong> {
    section.take(FLAGS);
    let path = section.take(&["target", "file", "directory", "folder", "path"]);
    let path = path.filter(|path| !path.trim().is_empty());
    let path = path.ok_or("it has no target; it is not taken over")?;
    Ok((Text::new(path.trim()), Handling::default()))
}

fn copy(section: &mut Section<'_>, names: &FileNames, taken: &mut Taken) -> Result<(), Wrong> {
    let source = section.take(&["source"]).ok_or("it has no source; it is not taken over")?;
    // Sources are below a folder of the depot, whose paths have slashes.
    let source = source.trim().replace('\\', "/");
    let name = source.rsplit('/').next().unwrap_or_default().to_lowercase();
    let target = section.take(&["target"]).map(str::trim).filter(|target| !target.is_empty());
    let target = match target {
        Some(target) => Text::new(target),
        None => names
            .get(&name)
            .map(|path| Text::literal(path))
            .ok_or("it has no target, and `filedef.txt` does not name one; it is not taken over")?,
    };
    let rule = match section.take(FLAGS) {
        None => FileRule::Always,
        Some(flag) => file_rule(&flag.trim().to_lowercase())
            .ok_or("its `Flag` is not understood; it is not taken over")?,
    };
    let count = section.take(&["reference count", "shared"]);
    let shared = count.is_some_and(|count| {
        let count = count.trim();
        count.eq_ignore_ascii_case("yes") || count.parse::<u32>().is_ok_and(|count| count > 1)
    });
    let (source, handling) = (Text::new(source), Handling::default());
    taken.items.files.push(FileItem::Copy { source, target, rule, shared, handling });
    Ok(())
}

fn file_rule(flag: &str) -> Option<FileRule> {
    if flag.starts_with("request confirmation") {
        return Some(FileRule::RequestConfirmation);
    }
    Some(match when(flag, &["copy", "write"])? {
        "" | "always" => FileRule::Always,
        "if exists" | "if exist" => FileRule::IfExists,
        "if does not exist" | "if not exists" | "if not exist" => FileRule::IfAbsent,
        "if newer" => FileRule::IfNewer,
        "if newer and exists" | "if newer and exist" => FileRule::IfNewerAndExists,
        "if newer version" => FileRule::IfNewerVersion,
        "if different" => FileRule::IfDifferent,
        _ => return None,
    })
}

fn ini(section: &mut Section<'_>, taken: &mut Taken, rule: Option<IniRule>) -> Result<(), Wrong> {
    let flag = section.take(FLAGS).map(|flag| flag.trim().to_lowercase());
    let path = section.take(&["file"]).ok_or("it names no file; it is not taken over")?.trim();
    let name = section.take(&["section"]).ok_or("it names no section; it is not taken over")?;
    let key = section.take(&["key", "name"]).ok_or("it has no `Key`; it is not taken over")?;
    let data = section.take(&["value", "data"]);
    let rule = match (rule, flag) {
        (Some(rule), _) => rule,
        (None, None) => IniRule::CreateAlways,
        (None, Some(flag)) => {
            ini_rule(&flag).ok_or("its `Flag` is not understood; it is not taken over")?
        }
    };
    let begins = |data: &str| data.chars().next().is_some_and(|first| !first.is_alphanumeric());
    if matches!(rule, IniRule::AppendToValue | IniRule::RemoveFromValue)
        && !data.is_some_and(begins)
    {
        return Err("its data does not begin with the separator; it is not taken over");
    }
    if rule != IniRule::Delete && data.is_none() {
        return Err("it has no `Value`; it is not taken over");
    }
    let setting = IniSetting {
        section: Text::new(name.trim()),
        name: Text::new(key.trim()),
        data: data.map(Text::new),
        rule,
        handling: Handling::default(),
    };
    let files = &mut taken.items.ini;
    match files.iter_mut().find(|file| file.path.as_str().eq_ignore_ascii_case(path)) {
        Some(file) => file.settings.push(setting),
        None => files.push(IniFile { path: Text::new(path), settings: vec![setting] }),
    }
    Ok(())
}

fn ini_rule(flag: &str) -> Option<IniRule> {
    if flag.starts_with("delete or remove") {
        return Some(IniRule::RemoveFromValue);
    }
    if flag.starts_with("delete") {
        return Some(IniRule::Delete);
    }
    Some(match when(flag, &["write", "create"])? {
        "" | "always" => IniRule::CreateAlways,
        "if exists" | "if exist" => IniRule::CreateIfExists,
        "if does not exist" | "if not exists" | "if not exist" => IniRule::CreateIfAbsent,
        "or add to existing section" => IniRule::AddToSection,
        "or append to existing value" => IniRule::AppendToValue,
        _ => return None,
    })
}
