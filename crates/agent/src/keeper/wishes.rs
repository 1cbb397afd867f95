//! From the signed set and the documents in stock to what the engine goes by.

use application::keeper::{Needs, Users, VerifyPolicy, Wish};
use application::{Application, FileItem, Items, ShortcutItem};
use model::ApplicationId;
use trust::WantedApplication;

/// What is wanted of an application whose files are here.
pub(super) fn wish(wanted: &WantedApplication, document: &Application) -> Wish {
    let needs = document.dependencies.iter().map(|needed| Needs {
        application: needed.application,
        continue_if_it_fails: needed.continue_if_it_fails,
    });
    let users = Users::of(wanted.users.as_deref());
    Wish {
        application: wanted.application,
        version: wanted.version,
        pre_install: users.pre_install(document.pre_install.clone()),
        users,
        always: is_each_time(document),
        needs: needs.collect(),
        supersedes: document.supersedes.clone(),
        verify: wanted.verify_every.map(|every| VerifyPolicy { every, repair: wanted.repair }),
        uninstall: wanted.uninstall,
        is_ready: true,
    }
}

/// While its files are on their way.
pub(super) fn unready(wanted: &WantedApplication, installed: Option<u16>) -> Wish {
    let users = Users::of(wanted.users.as_deref());
    let version = installed.unwrap_or(wanted.version);
    Wish::on_its_way(wanted.application, version, users, wanted.uninstall)
}

fn is_each_time(document: &Application) -> bool {
    let Items { shortcuts, registry, files, ini, text } = &document.items;
    let settings = ini.iter().flat_map(|file| &file.settings).map(|setting| setting.handling);
    let all = shortcuts
        .iter()
        .map(ShortcutItem::handling)
        .chain(registry.iter().map(|item| item.handling))
        .chain(files.iter().map(FileItem::handling))
        .chain(settings)
        .chain(text.iter().flat_map(|file| &file.changes).map(|change| change.handling));
    document.options.distribute_always || all.into_iter().any(|handling| handling.distribute_always)
}

/// What an application cannot do without, where it is neither wanted nor here.
pub(super) fn missing(
    document: &Application,
    set: &[WantedApplication],
    is_here: impl Fn(ApplicationId) -> bool,
) -> Option<String> {
    let missing = document.dependencies.iter().find(|needed| {
        !needed.continue_if_it_fails
            && !is_here(needed.application)
            && !set.iter().any(|wanted| wanted.application == needed.application)
    })?;
    Some(missing.name.clone().unwrap_or_else(|| missing.application.to_string()))
}

#[cfg(test)]
mod tests {
    use application::PreInstall;
    use model::{Digest, Span};

    use super::*;

    const NEEDED: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn document(more: &str) -> Application {
        let text = format!(
            "application: Viewer\nid: 01890a5d-ac96-774b-bcce-b302099a8057\nversion: 3\n{more}"
        );
        let parsed = format::parse_application(&text);
        parsed.application.unwrap_or_else(|| panic!("{:?}", parsed.problems))
    }

    fn wanted(users: Option<Vec<String>>) -> WantedApplication {
        WantedApplication {
            application: ApplicationId::from_bytes([1; 16]),
            name: "Viewer".into(),
            revision: 1,
            version: 3,
            document: Digest::from_bytes([2; 32]),
            source: None,
            users,
            uninstall: false,
            verify_every: Some(Span::from_secs(60)),
            repair: true,
        }
    }

    #[test]
    fn what_is_a_users_waits_for_that_user() {
        let document = document("");
        let wish_of = |users| wish(&wanted(users), &document);
        assert_eq!(wish_of(None).pre_install, PreInstall::AsSoonAsAssociated);
        let of_ada = wish_of(Some(vec!["ada".to_owned()]));
        assert_eq!(of_ada.pre_install, PreInstall::No);
        assert!(of_ada.users.include("ada") && !of_ada.users.include("eva"));
        let policy = VerifyPolicy { every: Span::from_secs(60), repair: true };
        assert_eq!(of_ada.verify, Some(policy));
    }

    #[test]
    fn one_item_of_each_time_is_enough() {
        for (more, expect) in [
            ("files:\n  - { create_folder: /opt/a }\n", false),
            ("files:\n  - { create_folder: /opt/a, distribute_always: true }\n", true),
            ("options: { distribute_always: true }\n", true),
        ] {
            assert_eq!(wish(&wanted(None), &document(more)).always, expect, "{more}");
        }
    }

    #[test]
    fn a_dependency_that_nobody_gives_is_named() {
        let needs =
            document(&format!("dependencies: [ {{ application: {NEEDED}, name: Runtime }} ]\n"));
        assert_eq!(missing(&needs, &[], |_| false).as_deref(), Some("Runtime"));
        assert_eq!(missing(&needs, &[], |_| true), None);
        let given = WantedApplication { application: NEEDED.parse().unwrap(), ..wanted(None) };
        assert_eq!(missing(&needs, &[given], |_| false), None);
    }
}
