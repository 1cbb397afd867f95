//! Webhooks as Standard Webhooks has them: JSON, an id, a time, and a signature over all three.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use model::Digest;
use ring::hmac;
use serde_json::json;
use zeroize::Zeroizing;

use super::{ATTEMPT_WITHIN, Outgoing, Trouble};
use crate::channels;
use crate::clock::now;
use crate::core::chain;
use crate::hall::Hall;
use crate::outbound::{self, Ask, Url};
use crate::secrets;

/// Before a key that is written as Standard Webhooks has it.
const KEY_MARK: &str = "whsec_";

/// The `webhook-id` of a sending to one of its webhooks.
fn id(key: Digest, name: &str) -> String {
    let all = [key.as_bytes().as_slice(), name.to_lowercase().as_bytes()].concat();
    format!("msg_{}", hex::encode(&blake3::hash(&all).as_bytes()[..16]))
}

/// Posts the message, which any answer of 2xx takes; says its id.
pub async fn send(hall: &Hall, out: &Outgoing, name: &str) -> Result<String, Trouble> {
    let id = id(out.key, name);
    let channel = channels::webhook(hall, name).await?;
    let secret = secrets::open(hall, &channel.secret).await?;
    let instant = now();
    let body = json!({
        "type": "deskhand.message",
        "timestamp": instant.as_millis(),
        "data": {
            "to": name,
            "subject": out.subject,
            "text": out.text,
            "computer": out.about.computer.map(|id| id.to_string()),
            "deployment": out.about.deployment.map(|id| id.to_string()),
            "run": out.about.run.map(|id| id.to_string()),
        }
    });
    let body = body.to_string().into_bytes();
    let seconds = instant.as_millis().div_euclid(1_000).to_string();
    let ask = Ask {
        method: Method::POST,
        url: Url::parse(&channel.url).map_err(|error| Trouble::lasting(&error))?,
        headers: headers(&id, &seconds, &signature(&secret, &id, &seconds, &body))?,
        body,
        ca: channel.ca,
        within: ATTEMPT_WITHIN,
    };
    let told = outbound::ask(ask).await.map_err(|error| Trouble::Passing(chain(&error)))?;
    match told.status {
        200..=299 => Ok(id),
        // What the receiver may not be able to say yet.
        408 | 425 | 429 | 500..=599 => Err(Trouble::Passing(told.in_words())),
        _ => Err(Trouble::Lasting(told.in_words())),
    }
}

fn headers(id: &str, seconds: &str, signature: &str) -> Result<HeaderMap, Trouble> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| Trouble::lasting(&error));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("deskhand"));
    headers.insert("webhook-id", value(id)?);
    headers.insert("webhook-timestamp", value(seconds)?);
    headers.insert("webhook-signature", value(signature)?);
    Ok(headers)
}

/// `v1,` and the HMAC-SHA256 over `id.seconds.body`, as Base64. A secret of the form `whsec_…` is
/// the Base64 of the key, any other is the key itself.
fn signature(secret: &[u8], id: &str, seconds: &str, body: &[u8]) -> String {
    let coded = secret.strip_prefix(KEY_MARK.as_bytes());
    let decoded = coded.and_then(|coded| STANDARD.decode(coded).ok()).map(Zeroizing::new);
    let key = decoded.as_ref().map_or(secret, |key| key.as_slice());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signed = [id.as_bytes(), b".", seconds.as_bytes(), b".", body].concat();
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification at standardwebhooks.com.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_id_is_of_one_sending_to_one_receiver() {
        let key = Digest::from_bytes([1; 32]);
        assert_eq!(id(key, "Ops"), id(key, "ops"));
        assert_ne!(id(key, "ops"), id(key, "dev"));
        assert_ne!(id(key, "ops"), id(Digest::from_bytes([2; 32]), "ops"));
    }
}
