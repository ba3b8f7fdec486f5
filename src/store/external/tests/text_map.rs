use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::store::StoreCallbacks;

/// A custom store that compares and sets, in memory.
#[derive(Default)]
pub(in crate::store) struct TextMap(Mutex<Map<String, Value>>);

#[async_trait]
impl StoreCallbacks for TextMap {
    async fn call(&self, request: String) -> Result<String> {
        tokio::task::yield_now().await;
        let request: Value = serde_json::from_str(&request).unwrap();
        let key = request["key"].as_str().unwrap();
        let mut texts = self.0.lock().unwrap();
        let found = texts.get(key).cloned().unwrap_or_default();
        if request["operation"] == "read" {
            return Ok(json!({ "ok": found }).to_string());
        }
        let is_expected = found == request["expected"];
        if is_expected {
            texts.insert(key.to_owned(), request["next"].clone());
        }
        Ok(json!({ "ok": is_expected }).to_string())
    }
}
