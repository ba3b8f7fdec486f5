//! Tells a chat room or a pager of an incident, and of its end.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::Service;
use super::events::{Event, EventKind};
use super::life::AlertDelivery;
use crate::clock::Clock;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::log::Level;
use crate::runtime;
use crate::transport::{Body, Request, Transport};

/// How often a message is tried; the pauses between double.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Service {
    /// Posts an alert and its recovery, each once an incident, whatever process meets it. Nobody waits for it.
    pub(super) fn tell_webhook(&self, event: &Event) {
        let Some(url) = self.config.alert_webhook.as_ref().and_then(|url| Url::parse(url.expose()).ok())
        else {
            return;
        };
        let is_due = {
            let told = &mut self.life().told;
            match event.kind {
                EventKind::Alert if *told == AlertDelivery::Nobody => {
                    *told = AlertDelivery::Here;
                    true
                }
                EventKind::Recovered => mem::take(told) == AlertDelivery::Here,
                _ => false,
            }
        };
        if !is_due {
            return;
        }
        let origin = url.origin().ascii_serialization();
        let body = Body::Json(Secret::new(message(&url, event).to_string()));
        let request = Request::post(url, body);
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        let (log, timeout) = (self.current_log(), self.config.timeout);
        // Without a runtime there is no service.
        let _ = runtime::spawn(async move {
            if let Err(error) = deliver(&*transport, &*clock, request, timeout).await {
                // The path is the room's secret, and the transport's own words name it.
                let status = error.status().map(|status| format!(", status {status}")).unwrap_or_default();
                let fault = Error::new(error.kind(), format!("{}{status}", error.code()));
                log.error(Level::Warn, &format!("{origin} was not told of the incident"), &fault);
            }
        });
    }
}

/// What is posted: `text` is what Slack, Mattermost and Discord-like services show, the card is Teams', and the rest
/// is for programs.
fn message(url: &Url, event: &Event) -> Value {
    let Event { kind, at, status, error } = event;
    let text = match (kind, error) {
        (EventKind::Recovered, _) => format!("evertoken: {} has recovered.", status.service),
        (_, Some(error)) => format!(
            "evertoken: {} needs attention ({} failures in a row). {}: {}",
            status.service,
            status.consecutive_failures,
            error.code(),
            error.message(),
        ),
        (_, None) => format!("evertoken: {} needs attention.", status.service),
    };
    // Slack refuses attachments that are not its own.
    if url.host_str().is_some_and(|host| host.ends_with(".slack.com")) {
        return json!({ "text": text });
    }
    json!({
        "text": text,
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [{ "type": "TextBlock", "text": text, "wrap": true }],
            },
        }],
        "event": kind,
        "service": status.service,
        "at": at.to_string(),
        "code": error.as_ref().map(Error::code),
        "consecutiveFailures": status.consecutive_failures,
    })
}

/// Posts until it is taken, or refused for good.
async fn deliver(
    transport: &dyn Transport,
    clock: &dyn Clock,
    request: Request,
    timeout: Duration,
) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    let mut tries = 1;
    loop {
        let error = match transport.send(request.clone(), timeout).await {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(()),
            Ok(answer) => {
                let error = Error::new(ErrorKind::Response, "it was not taken").with_status(answer.status);
                let may_change = answer.status == 429 || answer.status >= 500;
                if may_change { error } else { error.with_retry(Retry::Never) }
            }
            Err(error) => error,
        };
        if tries == TRIES || error.retry() == Retry::Never {
            return Err(error);
        }
        clock.sleep(pause).await;
        tries += 1;
        pause *= 2;
    }
}
