//! Login-script macros with their meaning of today, and which names belong to a user.

use jiff::civil::{DateTime, Weekday};

use crate::{Family, Survey};

/// Bytes of a user's name that `LOGIN_NAME` has.
const LOGIN_NAME_BYTES: usize = 8;

/// What a login-script macro stands for; `None` for other names and for what has no meaning on
/// this machine: it is then looked for in the environment.
pub fn value(name: &str, now: DateTime, survey: &dyn Survey) -> Option<String> {
    let of_time = match name.to_ascii_uppercase().as_str() {
        "DAY" => format!("{:02}", now.day()),
        "MONTH" => format!("{:02}", now.month()),
        "YEAR" => format!("{:04}", now.year()),
        "SHORT_YEAR" => format!("{:02}", now.year().rem_euclid(100)),
        "HOUR24" | "24HOUR" => format!("{:02}", now.hour()),
        "HOUR" | "HOURS" => format!("{:02}", (now.hour() + 11).rem_euclid(12) + 1),
        "MINUTE" | "MINUTES" => format!("{:02}", now.minute()),
        "SECOND" | "SECONDS" => format!("{:02}", now.second()),
        "NDAY_OF_WEEK" => now.weekday().since(Weekday::Sunday).saturating_add(1).to_string(),
        name => return of_machine(name, survey),
    };
    Some(of_time)
}

fn of_machine(name: &str, survey: &dyn Survey) -> Option<String> {
    let user = || survey.environment("USERNAME").or_else(|| survey.environment("USER"));
    match name {
        "COMPUTER_NAME" | "WORKSTATION_ID" => survey.fact("host_name"),
        "NETWORK" | "NETWORK_ADDRESS" => survey.fact("network"),
        "PHYSICAL_STATION" | "P_STATION" => {
            survey.fact("mac").map(|mac| mac.replace([':', '-'], "").to_uppercase())
        }
        "OS" | "PLATFORM" => Some(match survey.family() {
            Family::Windows => "WINNT".to_owned(),
            Family::Linux => "LINUX".to_owned(),
        }),
        "OS_VERSION" | "WINVER" => survey.fact("os_version"),
        "USER_ID" => user(),
        "LOGIN_NAME" => user().map(|name| {
            let end = (0..=LOGIN_NAME_BYTES.min(name.len())).rev();
            let end = end.into_iter().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            name[..end].to_owned()
        }),
        _ => None,
    }
}

/// Folders, login-script macros, attributes and variables that are other ones for each user.
const OF_USER: [&str; 57] = [
    "AppData",
    "LocalAppData",
    "AdminTools",
    "Cookies",
    "Desktop",
    "Favorites",
    "History",
    "InternetCache",
    "MyPictures",
    "NetHood",
    "Personal",
    "PrintHood",
    "Programs",
    "Recent",
    "SendTo",
    "StartMenu",
    "Startup",
    "Templates",
    "UserProfile",
    "FULL_NAME",
    "LAST_NAME",
    "LOGIN_NAME",
    "USER_ID",
    "REQUESTER_CONTEXT",
    "CN",
    "DN",
    "OU",
    "Surname",
    "Title",
    "Department",
    "Description",
    "Location",
    "Telephone Number",
    "Given Name",
    "Full Name",
    "Last Name",
    "Initials",
    "Home Directory",
    "Internet EMail Address",
    "EMail Address",
    "Employee ID",
    "Mailbox ID",
    "HOME",
    "HOMEDRIVE",
    "HOMEPATH",
    "HOMESHARE",
    "LOGNAME",
    "LOGONSERVER",
    "USER",
    "USERNAME",
    "USERDOMAIN",
    "USERDNSDOMAIN",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// By the name alone, with its asterisk or without.
pub fn is_of_user(name: &str) -> bool {
    let name = name.strip_prefix('*').unwrap_or(name);
    OF_USER.iter().any(|own| own.eq_ignore_ascii_case(name))
}
