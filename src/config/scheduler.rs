//! Parses the JSON of `SchedulerOptions`.

use std::time::Duration;

use serde_json::Value;

use super::fields::{ConfigErrors, ConfigFields};
use super::read::DAY_SECONDS;
use crate::error::{Error, Result};

/// The fields of `SchedulerOptions` that are set.
#[derive(Debug, Default)]
pub struct SchedulerFields {
    /// `refreshIntervalSeconds`.
    pub refresh_interval: Option<Duration>,
    /// `everyInterval`.
    pub every_interval: Option<bool>,
    /// `healthCheckIntervalSeconds`.
    pub health_check_interval: Option<Duration>,
    /// `recoverAfterFailures`.
    pub recover_after_failures: Option<u32>,
}

impl SchedulerFields {
    /// Validates the options. The error names every invalid field.
    pub fn from_json(value: Value) -> Result<Self> {
        let Value::Object(map) = value else {
            return Err(Error::config("options", "must be an object"));
        };
        let errors = ConfigErrors::default();
        let mut f = ConfigFields::new(map, &errors);
        let read = Self {
            refresh_interval: f.seconds("refreshIntervalSeconds", 1.0..=7.0 * DAY_SECONDS),
            every_interval: f.flag("everyInterval"),
            health_check_interval: f.seconds("healthCheckIntervalSeconds", 1.0..=7.0 * DAY_SECONDS),
            recover_after_failures: f.count("recoverAfterFailures", 1..=1000),
        };
        f.finish();
        errors.into_result(read)
    }
}
