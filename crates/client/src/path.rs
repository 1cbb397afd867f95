//! Paths of requests, with what people typed made safe for a URL.

use std::fmt::Write;

/// `/api` and the segments; each is one level, whatever is in it.
pub(crate) fn path<const N: usize>(segments: [&str; N]) -> String {
    segments.iter().fold(String::from("/api"), |mut path, segment| {
        path.push('/');
        escape(segment, &mut path);
        path
    })
}

/// The path with a query of those parameters that have a value.
pub(crate) fn query(mut path: String, parameters: &[(&str, Option<&str>)]) -> String {
    let mut mark = if path.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        path.push(mark);
        path.push_str(name);
        path.push('=');
        escape(value, &mut path);
        mark = '&';
    }
    path
}

/// RFC 3986: everything but its unreserved characters is escaped.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_segment() {
        assert_eq!(path(["computers", "a/b c", "ü"]), "/api/computers/a%2Fb%20c/%C3%BC");
    }

    #[test]
    fn absent_parameters_are_left_out() {
        let parameters = [("after", None), ("kind", Some("a&b")), ("limit", Some("5"))];
        assert_eq!(query(path(["events"]), &parameters), "/api/events?kind=a%26b&limit=5");
        assert_eq!(query(path(["events"]), &[("after", None)]), "/api/events");
        let more = query("/api/x?a=1".to_owned(), &[("b", Some("2"))]);
        assert_eq!(more, "/api/x?a=1&b=2");
    }
}
