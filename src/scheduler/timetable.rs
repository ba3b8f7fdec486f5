//! When which service has to be looked after next.

use std::collections::{BTreeSet, HashMap};

use crate::domain::Timestamp;

/// The next moment of each service. All operations cost what one service costs, however many there are.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    moments: BTreeSet<(Timestamp, u32)>,
    by_service: HashMap<u32, Timestamp>,
}

impl Timetable {
    /// Plans for a service; with no moment, only a change brings it up again.
    pub(super) fn plan(&mut self, service: u32, moment: Option<Timestamp>) {
        if let Some(earlier) = self.by_service.remove(&service) {
            self.moments.remove(&(earlier, service));
        }
        if let Some(moment) = moment {
            self.by_service.insert(service, moment);
            self.moments.insert((moment, service));
        }
    }

    /// The next moment.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.moments.first().map(|(moment, _)| *moment)
    }

    /// Takes out the services whose moment has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some((_, service)) = self.moments.first().copied().filter(|(moment, _)| *moment <= now) {
            self.plan(service, None);
            due.push(service);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::MIN.plus(Duration::from_secs(second))
    }

    #[test]
    fn services_are_due_at_their_moments_in_order_and_once() {
        let mut timetable = Timetable::default();
        for (service, second) in [(1, 30), (2, 10), (3, 20)] {
            timetable.plan(service, Some(at(second)));
        }
        assert_eq!(timetable.next(), Some(at(10)));
        assert!(timetable.take_due(at(9)).is_empty());
        assert_eq!(timetable.take_due(at(20)), [2, 3]);
        assert!(timetable.take_due(at(20)).is_empty());
        assert_eq!(timetable.next(), Some(at(30)));
    }

    #[test]
    fn a_later_plan_replaces_the_earlier_one() {
        let mut timetable = Timetable::default();
        timetable.plan(1, Some(at(10)));
        timetable.plan(1, Some(at(40)));
        assert_eq!((timetable.take_due(at(39)), timetable.next()), (vec![], Some(at(40))));
        timetable.plan(1, None);
        assert_eq!((timetable.take_due(at(100)), timetable.next()), (vec![], None));
    }
}
