//! The log: lines with a level, on stderr or for the configured logger.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use serde_json::{Map, Value, json};
use strum::{EnumString, IntoStaticStr};

use crate::clock::{Clock, SystemClock};
use crate::domain::ServiceName;
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// No lines at all. A line never has this level.
    Silent,
    /// Something is broken and needs attention.
    Error,
    /// Something is wrong, and evertoken copes with it.
    Warn,
    /// What happened.
    Info,
    /// Why it happened.
    Debug,
    /// Everything else.
    Trace,
}

impl Level {
    /// The word of `LOG_LEVEL`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the word of `LOG_LEVEL`.
    pub fn parse(word: &str) -> Result<Self> {
        word.parse()
            .map_err(|_| Error::config("LOG_LEVEL", "must be one of silent, error, warn, info, debug, trace"))
    }
}

/// A line of the log. Evertoken writes the messages, and they contain no secret.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The level.
    pub level: Level,
    /// The service it is about.
    pub service: String,
    /// The message.
    pub message: String,
    /// Details of the message.
    pub fields: Map<String, Value>,
}

/// Receives lines.
pub trait Sink: Send + Sync {
    /// Receives a line. It must not block.
    fn write_line(&self, line: LogLine);
}

/// The log of one service, from a level on.
#[derive(Clone)]
pub struct Log {
    service: ServiceName,
    level: Level,
    sink: Arc<dyn Sink>,
}

impl Log {
    /// A log that passes on lines of `level` and more important ones.
    pub fn new(service: ServiceName, level: Level, sink: Arc<dyn Sink>) -> Self {
        Self { service, level, sink }
    }

    /// Writes a line.
    pub fn write(&self, level: Level, message: impl Into<String>) {
        self.write_with(level, message, &Value::Null);
    }

    /// Writes a line with fields (an object).
    pub fn write_with(&self, level: Level, message: impl Into<String>, fields: &Value) {
        if level <= self.level {
            let fields = fields.as_object().cloned().unwrap_or_default();
            self.sink.write_line(LogLine {
                level,
                service: self.service.to_string(),
                message: message.into(),
                fields,
            });
        }
    }

    /// Writes a line about an error. From `debug` on, the server's own words are added as a field.
    pub fn error(&self, level: Level, message: &str, error: &Error) {
        let mut fields = json!({ "code": error.code() });
        if let Some(said) = error.server_error().filter(|_| self.level >= Level::Debug) {
            fields["serverError"] = json!(said);
        }
        self.write_with(level, format!("{message}: {}", error.message()), &fields);
    }
}

/// The format of lines on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// `2026-01-31T08:00:00.000Z WARN evertoken[external_api] …`
    Text,
    /// One JSON object for each line.
    Json,
}

/// Writes lines to stderr on its own thread, so that a full pipe does not block the runtime.
pub struct Stderr {
    shape: LineFormat,
}

impl Stderr {
    /// A sink with this format.
    pub fn new(shape: LineFormat) -> Self {
        Self { shape }
    }

    fn print(&self, line: &LogLine) -> String {
        let at = SystemClock.now().to_string();
        if self.shape == LineFormat::Json {
            let mut object = json!({
                "time": at, "level": line.level.as_str(), "name": "evertoken", "service": line.service, "msg": line.message,
            });
            if let Some(object) = object.as_object_mut() {
                object.extend(line.fields.clone());
            }
            return object.to_string();
        }
        let level = line.level.as_str().to_uppercase();
        let sentence = format!("{at} {level} evertoken[{}] {}", line.service, line.message);
        let fields = line.fields.iter().map(|(name, value)| format!("{name}={value}"));
        std::iter::once(sentence).chain(fields).collect::<Vec<_>>().join(" ")
    }
}

impl Sink for Stderr {
    fn write_line(&self, line: LogLine) {
        static WRITER: Mutex<Option<Sender<String>>> = Mutex::new(None);
        let mut writer = WRITER.lock();
        if writer.is_none() {
            let (sender, lines) = channel::<String>();
            let write = move || {
                for line in lines {
                    // There is no other place to report that stderr is closed.
                    let _ = writeln!(std::io::stderr().lock(), "{line}");
                }
            };
            if thread::Builder::new().name("evertoken-log".into()).spawn(write).is_ok() {
                *writer = Some(sender);
            }
        }
        if let Some(writer) = writer.as_ref() {
            let _ = writer.send(self.print(&line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, ServerError};

    fn line() -> LogLine {
        let fields = json!({ "code": "ERR_TOKEN_TIMEOUT" }).as_object().cloned().unwrap();
        LogLine { level: Level::Warn, service: "api".into(), message: "no answer".into(), fields }
    }

    #[test]
    fn a_line_is_text_or_one_json_object() {
        let text = Stderr::new(LineFormat::Text).print(&line());
        assert!(text.ends_with(r#"WARN evertoken[api] no answer code="ERR_TOKEN_TIMEOUT""#), "{text}");
        let value: Value = serde_json::from_str(&Stderr::new(LineFormat::Json).print(&line())).unwrap();
        assert_eq!(value["level"], "warn");
        assert_eq!(value["msg"], "no answer");
        assert_eq!(value["code"], "ERR_TOKEN_TIMEOUT");
    }

    #[derive(Default)]
    struct RecentLines(Mutex<Vec<LogLine>>);

    impl Sink for RecentLines {
        fn write_line(&self, line: LogLine) {
            self.0.lock().push(line);
        }
    }

    #[test]
    fn the_servers_words_are_told_from_debug_on_as_a_field_and_never_in_the_message() {
        let said = ServerError { description: Some("The secret has expired.".into()), ..Default::default() };
        let error = Error::new(ErrorKind::Credentials, "rejected").with_server_error(said);
        for (level, is_told) in [(Level::Info, false), (Level::Debug, true), (Level::Trace, true)] {
            let kept = Arc::<RecentLines>::default();
            let log = Log::new(ServiceName::default(), level, Arc::clone(&kept) as Arc<dyn Sink>);
            log.error(Level::Warn, "no token", &error);
            let line = kept.0.lock().pop().unwrap();
            assert_eq!(line.message, "no token: rejected");
            let told = is_told.then(|| json!({ "description": "The secret has expired." }));
            assert_eq!(line.fields.get("serverError"), told.as_ref());
        }
    }

    #[test]
    fn each_level_has_one_word() {
        for word in ["silent", "error", "warn", "info", "debug", "trace"] {
            assert_eq!(Level::parse(word).unwrap().as_str(), word);
        }
        for other in ["", "INFO", "Warn", "verbose"] {
            assert_eq!(Level::parse(other).unwrap_err().field(), Some("LOG_LEVEL"), "{other}");
        }
    }

    #[test]
    fn lines_below_the_level_are_not_passed_on() {
        let kept = Arc::<RecentLines>::default();
        let log = Log::new(ServiceName::default(), Level::Warn, Arc::clone(&kept) as Arc<dyn Sink>);
        log.write(Level::Info, "dropped");
        log.write(Level::Warn, "kept");
        log.write(Level::Error, "kept");
        assert_eq!(kept.0.lock().len(), 2);
    }
}
