//! `SchedulerOptions` of the public API.

use std::time::Duration;

use serde_json::Value;

use super::fields::{ConfigErrors, ConfigFields};
use super::read::DAY_SECONDS;
use crate::error::{Error, Result};

/// `SchedulerOptions` of the public API.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerOptions {
    /// How often every service is checked, in addition to its own refresh point.
    pub refresh_interval: Duration,
    /// Whether each of these checks refreshes the token even if no refresh is due.
    pub every_interval: bool,
    /// How often the health of every service is checked.
    pub health_check_interval: Duration,
    /// After how many consecutive failures recovery starts again.
    pub recover_after_failures: u32,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(600),
            every_interval: false,
            health_check_interval: Duration::from_secs(300),
            recover_after_failures: 3,
        }
    }
}

impl SchedulerOptions {
    /// Validates the options. The error names every invalid field.
    pub fn from_json(value: Value) -> Result<Self> {
        let Value::Object(map) = value else {
            return Err(Error::config("options", "must be an object"));
        };
        let (errors, default) = (ConfigErrors::default(), Self::default());
        let mut f = ConfigFields::new(map, &errors);
        let interval =
            |f: &mut ConfigFields<'_>, key, usual| f.seconds(key, 1.0..=7.0 * DAY_SECONDS).unwrap_or(usual);
        let options = Self {
            refresh_interval: interval(&mut f, "refreshIntervalSeconds", default.refresh_interval),
            every_interval: f.flag("everyInterval").unwrap_or(default.every_interval),
            health_check_interval: interval(
                &mut f,
                "healthCheckIntervalSeconds",
                default.health_check_interval,
            ),
            recover_after_failures: f
                .count("recoverAfterFailures", 1..=1000)
                .unwrap_or(default.recover_after_failures),
        };
        f.finish();
        errors.into_result(options)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_invalid_option_is_refused_by_name() {
        for (value, field) in [
            (json!({ "refreshIntervalSeconds": 0 }), "refreshIntervalSeconds"),
            (json!({ "everyInterval": "yes" }), "everyInterval"),
            (json!({ "healthCheckIntervalSeconds": -1 }), "healthCheckIntervalSeconds"),
            (json!({ "recoverAfterFailures": 1.5 }), "recoverAfterFailures"),
            (json!({ "interval": 5 }), "interval"),
        ] {
            assert_eq!(SchedulerOptions::from_json(value).unwrap_err().field(), Some(field));
        }
        assert_eq!(SchedulerOptions::from_json(json!({})).unwrap(), SchedulerOptions::default());
    }
}
