//! A client of the user's program.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::StoreCallbacks;
use super::fault::{RedisRefusal, ScriptFault};
use super::row::Answer;
use super::scripts::RedisScript;
use super::server::ScriptRunner;
use super::stream::SERVER_TIMEOUT;
use crate::error::{Error, ErrorKind};

/// What the status calls it.
const REDIS_CLIENT: &str = "Redis client";

/// Runs scripts on a client that JavaScript reaches.
pub(super) struct RedisClient(pub(super) Arc<dyn StoreCallbacks>);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ClientOutcome {
    Ok(ClientAnswer),
    Error { message: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ClientAnswer {
    Texts(Vec<Option<String>>),
    /// The first word of the error, and what else is known of it.
    Refused {
        refused: String,
    },
    /// Why nothing was sent.
    Unavailable {
        unavailable: String,
    },
}

#[async_trait]
impl ScriptRunner for RedisClient {
    async fn run(
        &self,
        script: &'static RedisScript,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Vec<Answer>, ScriptFault> {
        let request = json!({
            "operation": "eval", "script": script.text, "keys": keys, "arguments": arguments,
        });
        let outcome = timeout(SERVER_TIMEOUT, self.0.call(request.to_string())).await;
        let late = || {
            ScriptFault::Failed(error(&format!("it did not respond within {} s", SERVER_TIMEOUT.as_secs())))
        };
        let outcome = outcome.map_err(|_| late())?.map_err(ScriptFault::Failed)?;
        let outcome = serde_json::from_str(&Zeroizing::new(outcome));
        let failed = |message: &str| ScriptFault::Failed(error(message));
        match outcome.map_err(|_| failed("its answer is not one of Redis"))? {
            ClientOutcome::Ok(ClientAnswer::Texts(texts)) => {
                let texts: Option<Vec<_>> = texts.into_iter().map(without_sign).collect();
                texts.ok_or_else(|| failed("its answer is not one of Redis"))
            }
            ClientOutcome::Ok(ClientAnswer::Refused { refused }) => {
                Err(ScriptFault::Refused(RedisRefusal::new(&refused, "")))
            }
            ClientOutcome::Ok(ClientAnswer::Unavailable { unavailable }) => Err(failed(&unavailable)),
            ClientOutcome::Error { message } => Err(failed(&message)),
        }
    }

    fn location(&self) -> String {
        REDIS_CLIENT.to_owned()
    }

    fn server(&self) -> String {
        format!("the server of the {REDIS_CLIENT}")
    }
}

fn without_sign(text: Option<String>) -> Option<Answer> {
    let Some(text) = text.map(Zeroizing::new) else { return Some(None) };
    Some(Some(Zeroizing::new(text.strip_prefix('=')?.to_owned())))
}

fn error(message: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("the {REDIS_CLIENT}: {message}"))
}
