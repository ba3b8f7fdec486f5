//! Incidents: one alert when one begins, one recovery when it ends, one post to the webhook for all processes.

/// Which process posted the alert of the incident to the webhook: one of all that share a store does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AlertDelivery {
    #[default]
    NotPosted,
    PostedHere,
    PostedElsewhere,
}

/// Whether an incident is under way, and who was alerted.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    is_open: bool,
    delivery: AlertDelivery,
}

impl Incidents {
    /// Something is wrong. Whether an incident begins with it.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.is_open, true)
    }

    /// Nothing is wrong. Whether an incident ends with it.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.is_open)
    }

    /// Whether this process is to post the alert; it counts as posted then.
    pub(super) fn take_alert(&mut self) -> bool {
        let is_due = self.delivery == AlertDelivery::NotPosted;
        if is_due {
            self.delivery = AlertDelivery::PostedHere;
        }
        is_due
    }

    /// Whether this process is to post the recovery: it posted the alert.
    pub(super) fn take_recovery(&mut self) -> bool {
        std::mem::take(&mut self.delivery) == AlertDelivery::PostedHere
    }

    /// Whether the alert of this incident was posted.
    pub(super) fn is_alert_posted(&self) -> bool {
        self.delivery != AlertDelivery::NotPosted
    }

    /// Another process posted the alert.
    pub(super) fn note_posted_elsewhere(&mut self) {
        if self.delivery == AlertDelivery::NotPosted {
            self.delivery = AlertDelivery::PostedElsewhere;
        }
    }

    /// A token was obtained: what another process posted is about an incident that has ended.
    pub(super) fn succeed(&mut self) {
        if self.delivery == AlertDelivery::PostedElsewhere {
            self.delivery = AlertDelivery::NotPosted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_begins_and_ends_once() {
        let mut incidents = Incidents::default();
        assert!(!incidents.end(), "there was none");
        assert!(incidents.begin());
        assert!(!incidents.begin());
        assert!(incidents.end());
        assert!(!incidents.end());
    }

    #[test]
    fn the_process_that_posted_the_alert_posts_the_recovery() {
        let mut incidents = Incidents::default();
        assert!(incidents.take_alert());
        assert!(!incidents.take_alert());
        incidents.note_posted_elsewhere();
        assert!(incidents.take_recovery());
        assert!(!incidents.take_recovery());
    }

    #[test]
    fn an_alert_of_another_process_is_not_posted_again_until_a_token_is_obtained() {
        let mut incidents = Incidents::default();
        incidents.note_posted_elsewhere();
        assert!(incidents.is_alert_posted() && !incidents.take_alert());
        incidents.succeed();
        assert!(!incidents.is_alert_posted() && incidents.take_alert());
        incidents.succeed();
        assert!(incidents.take_recovery(), "success does not take back what was posted here");
    }
}
