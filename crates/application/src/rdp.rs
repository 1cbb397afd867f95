//! Files that lead elsewhere: sessions on terminal servers (`.rdp`) and addresses (`.url`), both as
//! Windows reads them (AP-01).

/// A session, with macros expanded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session {
    /// `host` or `host:port`.
    pub address: String,
    /// The program started there; the desktop when empty.
    pub program: String,
    pub arguments: String,
    pub working_folder: String,
    pub user: String,
    pub full_screen: bool,
}

/// Why a file cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("`{0}` is no address: it must begin with a scheme such as `https:` and hold no blanks")]
    Address(String),
    #[error("`{0}` is no terminal server: give `host` or `host:port`")]
    Server(String),
    #[error("`{0}` contains a line end or a zero character")]
    Line(String),
}

/// The whole `.rdp` file: UTF-16 with its mark.
pub fn session(session: &Session) -> Result<Vec<u8>, WriteError> {
    let Session { address, program, arguments, working_folder, user, full_screen } = session;
    if !is_server(address) {
        return Err(WriteError::Server(address.clone()));
    }
    let quoted = if program.contains(' ') { format!("\"{program}\"") } else { program.clone() };
    let shell = format!("{quoted} {arguments}");
    let screen = if *full_screen { "2" } else { "1" };
    let mut bytes = vec![0xFF, 0xFE];
    for (key, value) in [
        ("screen mode id:i", screen),
        ("full address:s", address),
        ("username:s", user),
        ("alternate shell:s", shell.trim()),
        ("shell working directory:s", working_folder),
    ] {
        one_line(value)?;
        if !value.is_empty() {
            let line = format!("{key}:{value}\r\n");
            bytes.extend(line.encode_utf16().flat_map(u16::to_le_bytes));
        }
    }
    Ok(bytes)
}

/// The whole `.url` file: ASCII, for Windows reads it in its code page.
pub fn address(url: &str, icon: Option<(&str, u32)>) -> Result<Vec<u8>, WriteError> {
    check_address(url)?;
    let mut text = format!("[InternetShortcut]\r\nURL={}\r\n", encoded(url));
    if let Some((file, number)) = icon.filter(|(file, _)| file.is_ascii()) {
        one_line(file)?;
        text += &format!("IconFile={file}\r\nIconIndex={number}\r\n");
    }
    Ok(text.into_bytes())
}

/// An address as browsers take it: a scheme, and no blanks or control characters.
pub fn check_address(url: &str) -> Result<(), WriteError> {
    let scheme = url.split_once(':').filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
    let is_scheme = scheme.is_some_and(|scheme| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        // One letter is a drive.
        scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(is_part)
    });
    if is_scheme && !url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        Ok(())
    } else {
        Err(WriteError::Address(url.to_owned()))
    }
}

/// What is not ASCII by its bytes in UTF-8.
fn encoded(url: &str) -> String {
    let byte = |byte: u8| match byte {
        byte if byte.is_ascii() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    url.bytes().map(byte).collect()
}

fn is_server(address: &str) -> bool {
    // An IPv6 address stands in brackets when a port follows, and may elsewhere.
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some("1"))),
        None => match address.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (address, Some("1")),
        },
    };
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    !host.is_empty() && host.chars().all(is_part) && is_port
}

fn one_line(text: &str) -> Result<(), WriteError> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(WriteError::Line(text.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Convention, Encoding, Lines};

    #[test]
    fn a_session_is_lines_in_utf_16() {
        let all = Session {
            address: "ts.example:3390".to_owned(),
            program: r"C:\Program Files\viewer.exe".to_owned(),
            arguments: "/a".to_owned(),
            working_folder: r"C:\Größe".to_owned(),
            user: r"DOMAIN\ada".to_owned(),
            full_screen: true,
        };
        let read = |session: &Session| {
            let lines = Lines::parse(&super::session(session).unwrap(), Convention::LINUX);
            assert_eq!(lines.encoding(), Encoding::Utf16Le);
            lines.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let expect = [
            "screen mode id:i:2",
            "full address:s:ts.example:3390",
            r"username:s:DOMAIN\ada",
            r#"alternate shell:s:"C:\Program Files\viewer.exe" /a"#,
            r"shell working directory:s:C:\Größe",
        ];
        assert_eq!(read(&all), expect);
        let plain = Session { address: "10.0.0.1".to_owned(), ..Session::default() };
        assert_eq!(read(&plain), ["screen mode id:i:1", "full address:s:10.0.0.1"]);
        for (address, user) in
            [("", ""), ("a b", ""), ("host:0", ""), ("host:x", ""), ("[::1", ""), ("h", "a\nb")]
        {
            let (address, user) = (address.to_owned(), user.to_owned());
            assert!(super::session(&Session { address, user, ..Session::default() }).is_err());
        }
        for address in ["host", "host:3389", "2001:db8::1", "[2001:db8::1]:3389", "[::1]"] {
            assert!(is_server(address), "{address}");
        }
    }

    #[test]
    fn an_address_is_ascii() {
        let file = address("https://a.example/größe?q=1", Some((r"C:\a.ico", 2))).unwrap();
        let expect = "[InternetShortcut]\r\nURL=https://a.example/gr%C3%B6%C3%9Fe?q=1\r\n\
                      IconFile=C:\\a.ico\r\nIconIndex=2\r\n";
        assert_eq!(file, expect.as_bytes());
        for url in ["", "a.example", "https:", "https://a b", "1x:y", "https://a\n[x]", r"C:\a"] {
            assert_eq!(address(url, None), Err(WriteError::Address(url.to_owned())));
        }
        assert!(address("mailto:ada@a.example", None).is_ok());
    }
}
