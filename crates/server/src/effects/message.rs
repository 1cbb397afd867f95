//! Messages that a workflow sends (AC-23).

use std::sync::Arc;

use model::Span;
use workflow::{Channel, Context, Event, Message, Report, Template};

use super::{Job, key, text};
use crate::delivery::{self, Outgoing, Patience};
use crate::hall::{About, Hall};

/// How long delivery is tried when the activity has no timeout.
const WITHIN: Span = Span::from_secs(300);

pub async fn carry_out(hall: &Arc<Hall>, job: &Job, message: &Message) -> Report {
    let about = About {
        computer: Some(job.computer),
        deployment: Some(job.deployment),
        run: Some(job.effect.run),
    };
    let out = match outgoing(message, &job.context) {
        Ok(out) => Outgoing { key: key(job.effect), about, ..out },
        Err(why) => return Report::error(why),
    };
    let within = job.timeout.unwrap_or(WITHIN);
    let patience = Patience::new(within, job.cancel.clone());
    match delivery::deliver(hall, &out, &patience).await {
        Ok(id) => {
            let mut report = Report::of(Event::Ok);
            report.outputs.insert("id".to_owned(), id);
            report
        }
        Err(_) if job.cancel.is_cancelled() => Report::of(Event::Interrupted),
        Err(why) => Report::error(format!("the message was not delivered: {why}")),
    }
}

/// The message with its parameters rendered; what it is about is the caller's to say.
pub fn outgoing(message: &Message, context: &Context) -> Result<Outgoing, String> {
    let mut to = Vec::new();
    for some in &message.to {
        let some = text(some, context)?;
        let each = some.split(';').map(str::trim).filter(|one| !one.is_empty());
        to.extend(each.map(str::to_owned));
    }
    Ok(Outgoing {
        key: model::Digest::from_bytes([0; 32]),
        channel: message.channel,
        to,
        subject: text(&message.subject, context)?,
        text: text(&message.text, context)?,
        about: About::NOTHING,
    })
}

/// The webhooks that are named without a template, to be looked at beforehand.
pub fn plain_receivers(channel: Channel, to: &[Template]) -> Vec<String> {
    if channel != Channel::Webhook {
        return Vec::new();
    }
    let plain = to.iter().filter(|to| to.is_plain()).flat_map(|to| to.source().split(';'));
    plain.map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}
