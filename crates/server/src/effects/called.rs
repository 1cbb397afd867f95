//! What scripts call for at the server: read, and held against what their activity permits.
//!
//! A call comes from a target, so whatever it says is untrusted. What it may have done is written
//! in the script's activity, which the warrant covers: `messages`, `actions`, and the folders of
//! the depot in `deposit`. Nothing here does anything.

use content::DepotPath;
use travel::Call;
use workflow::{Activity, Context, FolderList, Kind, Script, Side, Template};

use super::{files, text};

/// The activity that a call asks for, when its script may.
pub fn understood(asker: &Kind, call: &Call, context: &Context) -> Result<Activity, String> {
    let Kind::Script(script) = asker else { return Err("no script asks for this".to_owned()) };
    let name = &call.kind;
    let parameters = serde_json::from_str(&call.parameters)
        .map_err(|error| format!("the parameters of `{name}` cannot be read: {error}"))?;
    let activity = format::activity_call(name, &parameters)?;
    if activity.kind.side() != Side::Server {
        return Err(format!("`{name}` is not carried out by the server"));
    }
    let permitted = May { script, context }.check(&activity.kind);
    permitted.map(|()| activity).map_err(|why| format!("DH-A037: {why}"))
}

/// Whether a script may have this put into the depot.
pub fn may_deposit(script: &Script, to: &DepotPath, context: &Context) -> Result<(), String> {
    May { script, context }.within("deposit", &script.deposit, to)
}

/// What a script may have done, as its activity says.
struct May<'a> {
    script: &'a Script,
    context: &'a Context,
}

impl May<'_> {
    fn check(&self, kind: &Kind) -> Result<(), String> {
        match kind {
            // Whom it may wake is all the same: the packet says nothing but its address.
            Kind::WakeOnLan(_) => Ok(()),
            Kind::Message(_) if self.script.messages => Ok(()),
            Kind::Message(_) => {
                Err("the script may not send messages; write `messages: true` to it".to_owned())
            }
            Kind::Action(action) => self.action(&text(&action.name, self.context)?),
            Kind::Move(files) => {
                self.changes("from", &files.from)?;
                self.changes("to", &files.to)
            }
            Kind::Copy(files) => {
                self.changes("to", &files.to)?;
                self.reads(&files.from)
            }
            Kind::Rename(rename) => self.renames(&rename.current),
            Kind::DeleteFiles { folder, .. } => self.changes("folder", folder),
            Kind::CreateFolders { folders, .. } | Kind::DeleteFolders { folders, .. } => {
                self.folders(folders)
            }
            other => Err(format!("`{}` is not for scripts", other.name())),
        }
    }

    fn action(&self, name: &str) -> Result<(), String> {
        for permitted in &self.script.actions {
            if text(permitted, self.context)?.to_lowercase() == name.to_lowercase() {
                return Ok(());
            }
        }
        Err(format!("the script may not start the action `{name}`; name it in its `actions`"))
    }

    fn changes(&self, parameter: &str, path: &Template) -> Result<(), String> {
        let path = files::path(path, self.context)?;
        self.within(parameter, &self.script.deposit, &path)
    }

    /// Under another name the folder of a `deposit` would be outside of it.
    fn renames(&self, current: &Template) -> Result<(), String> {
        let path = files::path(current, self.context)?;
        let above = path.parent().map(|(above, _)| above).unwrap_or_default();
        self.within("current", &self.script.deposit, &above)
    }

    fn reads(&self, from: &Template) -> Result<(), String> {
        let path = files::path(from, self.context)?;
        let Script { depot, deposit, .. } = self.script;
        if self.is_within(depot, &path)? || self.is_within(deposit, &path)? {
            return Ok(());
        }
        Err(format!(
            "`from` is `{}` in the depot, where the script may read nothing; name the folder in \
             its `depot`",
            path.as_str()
        ))
    }

    fn folders(&self, folders: &FolderList) -> Result<(), String> {
        let each = files::folders(folders, self.context)?;
        each.iter().try_for_each(|path| self.within("folders", &self.script.deposit, path))
    }

    fn within(&self, parameter: &str, places: &[Template], path: &DepotPath) -> Result<(), String> {
        if self.is_within(places, path)? {
            return Ok(());
        }
        Err(format!(
            "`{parameter}` is `{}` in the depot, where the script may change nothing; name the \
             folder in its `deposit`",
            path.as_str()
        ))
    }

    fn is_within(&self, places: &[Template], path: &DepotPath) -> Result<bool, String> {
        for place in places {
            if files::path(place, self.context)?.contains(path) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn script() -> Kind {
        let named = |text| vec![Template::new(text).unwrap()];
        Kind::Script(Script {
            code: String::new(),
            depot: named("deploy/office"),
            deposit: named("collected/{{ computer.name }}"),
            actions: named("tell ops"),
            messages: false,
            memory_mb: 64,
            operations: 10,
        })
    }

    fn judged(kind: &str, parameters: &Json) -> Result<Activity, String> {
        let name = ("name".to_owned(), "pc-1".to_owned());
        let context = Context { computer: [name].into(), ..Context::default() };
        let call = Call { kind: kind.to_owned(), parameters: parameters.to_string() };
        understood(&script(), &call, &context)
    }

    #[test]
    fn a_script_may_what_its_activity_says_and_nothing_else() {
        let own = "collected/pc-1";
        for (kind, parameters) in [
            ("wake_on_lan", json!({})),
            ("action", json!({ "name": "Tell Ops" })),
            ("copy", json!({ "from": "deploy/office/a", "to": own, "on_server": true })),
            ("copy", json!({ "from": "collected/pc-1/a", "to": own, "on_server": true })),
            ("move", json!({ "from": "collected/pc-1/a", "to": own, "on_server": true })),
            ("rename", json!({ "current": "collected/pc-1/a", "new": "b", "on_server": true })),
            ("delete_files", json!({ "folder": own, "on_server": true })),
            ("create_folders", json!({ "folders": [own], "on_server": true })),
            ("delete_folders", json!({ "folders": "collected/pc-1/a;", "on_server": true })),
        ] {
            assert!(judged(kind, &parameters).is_ok(), "{kind} {parameters}");
        }
        for (kind, parameters, words) in [
            ("message", json!({ "subject": "x" }), "messages: true"),
            ("action", json!({ "name": "tell" }), "may not start the action `tell`"),
            ("copy", json!({ "from": "deploy/a", "to": own, "on_server": true }), "`from`"),
            ("copy", json!({ "from": "deploy/a", "to": own, "on_server": true }), "its `depot`"),
            ("copy", json!({ "from": "deploy/office", "to": "", "on_server": true }), "`to`"),
            ("copy", json!({ "from": own, "to": "collected/pc-10", "on_server": true }), "`to`"),
            ("move", json!({ "from": "deploy/office/a", "to": own, "on_server": true }), "`from`"),
            ("move", json!({ "from": own, "to": "collected/pc-1/../x", "on_server": true }), ".."),
            ("rename", json!({ "current": own, "new": "b", "on_server": true }), "`current`"),
            ("delete_files", json!({ "folder": "collected", "on_server": true }), "`folder`"),
            ("create_folders", json!({ "folders": "a; b", "on_server": true }), "`folders`"),
            ("copy", json!({ "from": "/a", "to": "/b" }), "not carried out by the server"),
            ("execute", json!({ "command": "x" }), "not carried out by the server"),
            ("message", json!({ "subjekt": "x" }), "did you mean `subject`"),
            ("retry", json!({}), "not carried out by the server"),
        ] {
            let error = judged(kind, &parameters).unwrap_err();
            assert!(error.contains(words), "{kind} {parameters}: {error}");
        }
    }
}
