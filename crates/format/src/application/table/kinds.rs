//! The kinds of applications that bring something else than items (AP-01).

use super::{Record, Shape, choice, optional, record, required, switch};

pub(super) static MSI: Record = record(
    "msi",
    "`msi`",
    "A Windows Installer package.",
    &[
        required("file", Shape::Text, "The `.msi` file: `%SOURCE_PATH%/viewer.msi`."),
        optional("product_code", Shape::Plain, "`{…}`; read from the file unless given."),
        optional("transforms", Shape::List(&Shape::Text), "`.mst` files, in order."),
        optional("properties", Shape::Named(&Shape::Text), "Public properties: `NAME: value`."),
        optional("arguments", Shape::Text, "In place of `/qn /norestart`."),
        optional("uninstall_arguments", Shape::Text, "In place of `/qn /norestart`."),
    ],
);

pub(super) static PACKAGES: Record = record(
    "packages",
    "`packages`",
    "Packages of Linux distributions.",
    &[
        choice("system", &["any", "deb", "rpm"], "any", "Whose packages they are."),
        required(
            "install",
            Shape::List(&Shape::Either(&Shape::Plain, &Shape::Record(&PACKAGE))),
            "The packages: names, or mappings.",
        ),
    ],
);

static PACKAGE: Record = record(
    "package",
    "a package",
    "A package.",
    &[
        required("name", Shape::Plain, "Its name."),
        optional("version", Shape::Plain, "That version or a later one."),
        optional("file", Shape::Text, "Installed from this file, else as the machine gets them."),
    ],
);

pub(super) static WEB: Record = record(
    "web",
    "`web`",
    "An address to open.",
    &[
        required("url", Shape::Text, "The address."),
        optional("browser", Shape::Text, "A program to open it with."),
    ],
);

pub(super) static TERMINAL_SERVER: Record = record(
    "terminal_server",
    "`terminal_server`",
    "A session on a terminal server.",
    &[
        required("address", Shape::Text, "`host` or `host:port`."),
        optional("program", Shape::Text, "The program started there; else the desktop."),
        optional("arguments", Shape::Text, "What the program is given."),
        optional("working_folder", Shape::Text, "The folder the program begins in, there."),
        optional("user", Shape::Text, "The user to log on as."),
        switch("full_screen", false, "Over the whole screen."),
    ],
);
