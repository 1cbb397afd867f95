//! What an application is, and which items go with that (AP-01).

use application::{Kind, Msi, Package, PackageSystem, Packages, TerminalServer, Text};

use super::Builder;
use crate::application::code;
use crate::application::given::{Fields, Given, Value};

const KINDS: [&str; 4] = ["msi", "packages", "web", "terminal_server"];

/// What a kind cannot have besides.
fn excluded(kind: &str) -> &'static [&'static str] {
    match kind {
        "msi" | "packages" => &["shortcuts", "files", "text"],
        "web" | "terminal_server" => {
            &["shortcuts", "registry", "files", "ini", "text", "scripts", "launch", "pre_install"]
        }
        _ => &[],
    }
}

impl Builder<'_, '_> {
    /// One kind at most, with what it may have.
    pub(super) fn check_kind(&mut self, fields: &Fields) {
        let written: Vec<&str> = KINDS.into_iter().filter(|name| fields.has(name)).collect();
        if let [first, second, ..] = written.as_slice() {
            let what = format!("an application is either `{first}` or `{second}`");
            let hint = "make two of them; one may depend on the other";
            self.error(code::KIND, fields.place_of(second), what, hint);
        }
        let Some(kind) = written.first() else { return };
        for name in excluded(kind).iter().filter(|name| fields.has(name)) {
            let what = format!("an application of the kind `{kind}` has no `{name}`");
            let hint = "put it into an application of its own that one of the two depends on";
            self.error(code::KIND, fields.place_of(name), what, hint);
        }
    }

    pub(super) fn kind(&mut self, fields: &mut Fields) -> Kind {
        let msi = fields.record("msi").map(|fields| self.msi(fields));
        let packages = fields.record("packages").map(packages);
        let web = fields.record("web").map(|mut fields| Kind::Web {
            url: fields.needed("url"),
            browser: fields.text("browser"),
        });
        let terminal = fields.record("terminal_server").map(terminal_server);
        msi.or(packages).or(web).or(terminal).unwrap_or(Kind::Simple)
    }

    fn msi(&mut self, mut fields: Fields) -> Kind {
        let code_at = fields.place_of("product_code");
        let product_code = fields.plain("product_code");
        if product_code.as_deref().is_some_and(|written| !is_product_code(written)) {
            let hint = "write `'{01890A5D-AC96-774B-BCCE-B302099A8057}'`, in quotes; it is read \
                        from the package when it is left out";
            self.error(code::VALUE, code_at, "this is no product code", hint);
        }
        let mut properties = Vec::new();
        for (name, Given { place, value }) in fields.named("properties") {
            let is_right =
                |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
            if name.is_empty() || !name.chars().all(is_right) {
                let what = format!("`{name}` cannot be the name of a property");
                self.error(code::VALUE, place, what, "it has letters, digits, `_` and `.`");
            }
            if let Value::Text(text) = value {
                properties.push((name, Text::new(text)));
            }
        }
        Kind::Msi(Msi {
            file: fields.needed("file"),
            product_code,
            transforms: fields.texts("transforms"),
            properties,
            arguments: fields.text("arguments"),
            uninstall_arguments: fields.text("uninstall_arguments"),
        })
    }
}

fn is_product_code(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.is_some_and(|inner| inner.len() == 36 && inner.parse::<model::ApplicationId>().is_ok())
}

fn packages(mut fields: Fields) -> Kind {
    let package = |given: Given| match given.value {
        Value::Text(name) => Some(Package { name, version: None, file: None }),
        Value::Record(mut fields) if !fields.is_broken => Some(Package {
            name: fields.plain("name")?,
            version: fields.plain("version"),
            file: fields.text("file"),
        }),
        _ => None,
    };
    Kind::Packages(Packages {
        system: match fields.word("system") {
            "deb" => PackageSystem::Deb,
            "rpm" => PackageSystem::Rpm,
            _ => PackageSystem::Any,
        },
        packages: fields.list("install").into_iter().filter_map(package).collect(),
    })
}

fn terminal_server(mut fields: Fields) -> Kind {
    Kind::TerminalServer(TerminalServer {
        address: fields.needed("address"),
        program: fields.text("program"),
        arguments: fields.text("arguments"),
        working_folder: fields.text("working_folder"),
        user: fields.text("user"),
        full_screen: fields.switch("full_screen"),
    })
}
