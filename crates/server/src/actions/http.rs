//! Requests to other servers.

use std::fmt::Write as _;

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use workflow::{Context, Event, Http, Report};
use zeroize::Zeroizing;

use super::{Call, report};
use crate::core::chain;
use crate::effects::text;
use crate::hall::Hall;
use crate::outbound::{self, Ask, Url};
use crate::secrets;

pub async fn run(hall: &Hall, call: &Call, request: &Http, context: &Context) -> Report {
    if call.again && !can_be_repeated(request.method) {
        return Report::of(Event::Interrupted);
    }
    let ask = match ask(hall, request, context).await {
        Ok(ask) => ask,
        Err(why) => return Report::error(why),
    };
    let told = tokio::select! {
        told = outbound::ask(ask) => told,
        () = call.cancel.cancelled() => return Report::of(Event::Interrupted),
    };
    let told = match told {
        Ok(told) => told,
        Err(error) => return Report::error(chain(&error)),
    };
    let is_fine = match request.expect.is_empty() {
        true => (200..300).contains(&told.status),
        false => request.expect.contains(&told.status),
    };
    let (event, note) =
        if is_fine { (Event::Ok, None) } else { (Event::Error, Some(told.in_words())) };
    let body = String::from_utf8_lossy(&told.body).into_owned();
    report(event, [("status", told.status.to_string()), ("body", body)], note)
}

/// What a server takes twice without doing it twice (RFC 9110, 9.2.2).
fn can_be_repeated(method: &str) -> bool {
    ["GET", "HEAD", "PUT", "DELETE"].contains(&method)
}

async fn ask(hall: &Hall, request: &Http, context: &Context) -> Result<Ask, String> {
    let mut url = text(&request.url, context)?;
    for (name, value) in &request.query {
        url.push(if url.contains('?') { '&' } else { '?' });
        escape(name, &mut url);
        url.push('=');
        escape(&text(value, context)?, &mut url);
    }
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("deskhand"));
    for (name, value) in &request.headers {
        let value = text(value, context)?;
        let wrong = |_| format!("the value of the header `{name}` cannot be sent");
        headers.insert(header(name)?, HeaderValue::from_str(&value).map_err(wrong)?);
    }
    if let Some(with) = &request.secret {
        let secret = secrets::open(hall, &with.secret).await.map_err(|error| chain(&error))?;
        let whole = Zeroizing::new([with.prefix.as_bytes(), &secret[..]].concat());
        let wrong = |_| format!("the secret `{}` cannot stand in a header", with.secret);
        let mut value = HeaderValue::from_bytes(&whole).map_err(wrong)?;
        value.set_sensitive(true);
        headers.insert(header(&with.header)?, value);
    }
    Ok(Ask {
        method: Method::from_bytes(request.method.as_bytes()).map_err(|e| e.to_string())?,
        url: Url::parse(&url).map_err(|error| error.to_string())?,
        headers,
        body: text(&request.body, context)?.into_bytes(),
        ca: None,
        within: request.timeout.as_duration(),
    })
}

fn header(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is no header"))
}

/// RFC 3986: everything but its unreserved characters is escaped.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _infallible = write!(into, "%{byte:02X}");
        }
    }
}
