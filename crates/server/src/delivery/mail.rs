//! Mail over SMTP, with TLS and a password where the channel says so.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use model::Digest;

use super::{ATTEMPT_WITHIN, Outgoing, Trouble};
use crate::channels;
use crate::core::chain;
use crate::hall::Hall;
use crate::secrets;

/// The Message-ID of a sending (RFC 5322, 3.6.4).
fn message_id(hall: &Hall, key: Digest) -> String {
    let digits = hex::encode(&key.as_bytes()[..16]);
    let is_host = |c: &char| c.is_ascii_alphanumeric() || "-.".contains(*c);
    let host: String = hall.row().name.chars().filter(is_host).collect();
    let host = if host.is_empty() { "server" } else { host.as_str() };
    format!("<{digits}@{host}.deskhand>")
}

/// Hands the message to the mail server; says its Message-ID.
pub async fn send(hall: &Hall, out: &Outgoing) -> Result<String, Trouble> {
    let id = message_id(hall, out.key);
    let channel = channels::mail(hall).await?;
    let message = message(&channel, out, &id)?;
    let transport = transport(hall, &channel).await?;
    let sending = tokio::time::timeout(ATTEMPT_WITHIN, transport.send(message)).await;
    match sending {
        Ok(Ok(_)) => Ok(id),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(Trouble::Passing(format!("{} does not answer", channel.host))),
    }
}

fn failed(error: &SmtpError) -> Trouble {
    let text = chain(error);
    if error.is_permanent() || error.is_client() || error.is_tls() {
        return Trouble::Lasting(text);
    }
    Trouble::Passing(text)
}

fn message(channel: &api::MailChannel, out: &Outgoing, id: &str) -> Result<Message, Trouble> {
    let address = |text: &str| {
        let parsed: Result<Mailbox, _> = text.parse();
        parsed.map_err(|error| Trouble::Lasting(format!("`{text}` is no mail address: {error}")))
    };
    let automatic = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    let subject: String =
        out.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut message = Message::builder()
        .from(address(&channel.from)?)
        .subject(subject)
        .message_id(Some(id.to_owned()))
        .raw_header(automatic)
        .date_now();
    for to in &out.to {
        message = message.to(address(to)?);
    }
    let message = message.header(ContentType::TEXT_PLAIN).body(out.text.clone());
    message.map_err(|error| Trouble::lasting(&error))
}

async fn transport(
    hall: &Hall,
    channel: &api::MailChannel,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Trouble> {
    let tls = match channel.tls.as_str() {
        "none" => Tls::None,
        "implicit" => Tls::Wrapper(parameters(channel)?),
        _ => Tls::Required(parameters(channel)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&channel.host)
        .port(channel.port)
        .tls(tls)
        .timeout(Some(ATTEMPT_WITHIN));
    if let (Some(user), Some(secret)) = (&channel.user, &channel.secret) {
        let secret = secrets::open(hall, secret).await?;
        let password = std::str::from_utf8(&secret).map_err(|_| {
            Trouble::Lasting("the secret of the mail channel is no text".to_owned())
        })?;
        let credentials = Credentials::new(user.clone(), password.to_owned());
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn parameters(channel: &api::MailChannel) -> Result<TlsParameters, Trouble> {
    let failed = |error: SmtpError| Trouble::Lasting(chain(&error));
    let mut builder = TlsParameters::builder(channel.host.clone());
    if let Some(pem) = &channel.ca {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in crate::outbound::certificates(pem).map_err(|e| Trouble::lasting(&e))? {
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(failed)?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build_rustls().map_err(failed)
}
