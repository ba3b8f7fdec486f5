//! Posts an incident, and its end, to a chat room or a pager.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::events::{Event, EventKind};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Backoff, Secret};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::log::{Level, Log};
use crate::runtime;
use crate::transport::{Body, Request, Transport};

/// How often a message is sent until it is accepted.
const TRIES: u32 = 5;

/// The wait before the second try doubles with each further one: the last one is sent after 15 s.
const POST_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));

/// Where incidents are posted.
pub(in crate::service) struct Webhook {
    url: Url,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl Webhook {
    /// The configured webhook, if there is one.
    pub(in crate::service) fn configured(
        config: &Config,
        transport: &Arc<dyn Transport>,
        clock: &Arc<dyn Clock>,
    ) -> Option<Self> {
        let url = Url::parse(config.alert_webhook.as_ref()?.expose()).ok()?;
        let (transport, clock) = (Arc::clone(transport), Arc::clone(clock));
        Some(Self { url, transport, clock, timeout: config.timeout })
    }

    /// Posts an event. No caller waits for it.
    pub(super) fn post(&self, event: &Event, log: Log) {
        let origin = self.url.origin().ascii_serialization();
        let body = Body::Json(Secret::new(message(&self.url, event).to_string()));
        let request = Request::post(self.url.clone(), body);
        let (transport, clock, timeout) =
            (Arc::clone(&self.transport), Arc::clone(&self.clock), self.timeout);
        // Without a runtime there is no service.
        let _ = runtime::spawn(async move {
            if let Err(error) = deliver(&*transport, &*clock, request, timeout).await {
                // The path is the room's secret, and the transport's own words name it.
                let status = error.status().map(|status| format!(", status {status}")).unwrap_or_default();
                let fault = Error::new(error.kind(), format!("{}{status}", error.code()));
                log.error(Level::Warn, &format!("could not post the alert to {origin}"), &fault);
            }
        });
    }
}

/// The message: Slack, Mattermost and similar services show `text`, Teams shows the card, and the rest is for programs.
fn message(url: &Url, event: &Event) -> Value {
    let Event { kind, at, status, error } = event;
    let text = match (kind, error) {
        (EventKind::Recovered, _) => format!("evertoken: {} has recovered.", status.service),
        (_, Some(error)) if error.kind() == ErrorKind::Consent => {
            format!("evertoken: {} needs attention. {}: {}", status.service, error.code(), error.message())
        }
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

/// Posts until the message is accepted, or refused for good.
async fn deliver(
    transport: &dyn Transport,
    clock: &dyn Clock,
    request: Request,
    timeout: Duration,
) -> Result<()> {
    let mut tries = 1;
    loop {
        let error = match transport.send(request.clone(), timeout).await {
            Ok(response) if (200..300).contains(&response.status) => return Ok(()),
            Ok(response) => {
                let error = Error::new(ErrorKind::Response, "the webhook did not accept the message")
                    .with_status(response.status);
                let may_change = response.status == 429 || response.status >= 500;
                if may_change { error } else { error.with_retry(Retry::Never) }
            }
            Err(error) => error,
        };
        if tries == TRIES || error.retry() == Retry::Never {
            return Err(error);
        }
        clock.sleep(POST_BACKOFF.wait(tries - 1)).await;
        tries += 1;
    }
}
