//! The log: lines with a level, written to stderr or to the configured logger.

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

/// The severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// No lines at all. A log can have this level; a line cannot.
    Silent,
    /// Something is broken and needs attention.
    Error,
    /// Something is wrong, and evertoken handles it.
    Warn,
    /// What happened.
    Info,
    /// Why it happened.
    Debug,
    /// Everything else.
    Trace,
}

impl Level {
    /// The level as `LOG_LEVEL` spells it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Parses the value of `LOG_LEVEL`.
    pub fn parse(word: &str) -> Result<Self> {
        word.parse()
            .map_err(|_| Error::config("LOG_LEVEL", "must be silent, error, warn, info, debug or trace"))
    }
}

/// One line. evertoken writes all messages itself; they contain no secrets.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// Its severity.
    pub level: Level,
    /// The service that it is about.
    pub service: String,
    /// The message.
    pub message: String,
    /// Structured details, such as the error code.
    pub fields: Map<String, Value>,
}

/// Where lines go.
pub trait Sink: Send + Sync {
    /// Writes one line without blocking.
    fn write_line(&self, line: LogLine);
}

/// The log of one service.
#[derive(Clone)]
pub struct Log {
    service: ServiceName,
    level: Level,
    sink: Arc<dyn Sink>,
}

impl Log {
    /// A log that drops lines less severe than `level`.
    pub fn new(service: ServiceName, level: Level, sink: Arc<dyn Sink>) -> Self {
        Self { service, level, sink }
    }

    /// Writes a line.
    pub fn write(&self, level: Level, message: impl Into<String>) {
        self.write_with(level, message, &Value::Null);
    }

    /// Writes a line with `fields`, an object.
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

    /// Writes a line about an error. At `debug` and `trace` it includes the server's own error text.
    pub fn error(&self, level: Level, message: &str, error: &Error) {
        let mut fields = json!({ "code": error.code() });
        if let Some(server_error) = error.server_error().filter(|_| self.level >= Level::Debug) {
            fields["serverError"] = json!(server_error);
        }
        self.write_with(level, format!("{message}: {}", error.message()), &fields);
    }
}

/// The format of a line on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// `2026-01-31T08:00:00.000Z WARN evertoken[external_api] …`
    Text,
    /// One JSON object per line.
    Json,
}

/// Writes lines to stderr on its own thread: a full pipe must not block the runtime.
pub struct Stderr {
    format: LineFormat,
}

impl Stderr {
    /// A sink that writes lines in this format.
    pub fn new(format: LineFormat) -> Self {
        Self { format }
    }

    fn print(&self, line: &LogLine) -> String {
        let at = SystemClock.now().to_string();
        if self.format == LineFormat::Json {
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
                    // There is nowhere to report that stderr is closed.
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
        LogLine { level: Level::Warn, service: "api".into(), message: "no response".into(), fields }
    }

    #[test]
    fn a_line_is_text_or_one_json_object() {
        let text = Stderr::new(LineFormat::Text).print(&line());
        assert!(text.ends_with(r#"WARN evertoken[api] no response code="ERR_TOKEN_TIMEOUT""#), "{text}");
        let value: Value = serde_json::from_str(&Stderr::new(LineFormat::Json).print(&line())).unwrap();
        assert_eq!(value["level"], "warn");
        assert_eq!(value["msg"], "no response");
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
    fn the_servers_error_text_is_a_field_from_debug_on_and_never_in_the_message() {
        let server_error =
            ServerError { description: Some("The secret has expired.".into()), ..Default::default() };
        let error = Error::new(ErrorKind::Credentials, "rejected").with_server_error(server_error);
        for (level, is_logged) in [(Level::Info, false), (Level::Debug, true), (Level::Trace, true)] {
            let kept = Arc::<RecentLines>::default();
            let log = Log::new(ServiceName::default(), level, Arc::clone(&kept) as Arc<dyn Sink>);
            log.error(Level::Warn, "no token", &error);
            let line = kept.0.lock().pop().unwrap();
            assert_eq!(line.message, "no token: rejected");
            let expected = is_logged.then(|| json!({ "description": "The secret has expired." }));
            assert_eq!(line.fields.get("serverError"), expected.as_ref());
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
