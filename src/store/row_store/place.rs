//! Notices what other processes store, for all services of this process that use one place.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Weak};

use async_trait::async_trait;

use super::super::rows::Rows;
use super::super::watch::{RecordObserver, Subscription, Watch, WatchedPlace};
use crate::domain::ServiceName;
use crate::error::Result;
use crate::sync::{Mutex, WeakMap};

/// The rows of a place, and the services that use them.
pub(in crate::store) struct RowPlace {
    rows: Arc<dyn Rows>,
    watch: Arc<Watch>,
    notifies: Mutex<bool>,
}

/// The places in use: by the address of what reaches them, and what it reaches there.
static PLACES: LazyLock<Mutex<WeakMap<(usize, String), RowPlace>>> = LazyLock::new(Mutex::default);

impl RowPlace {
    /// The place of these rows, as all services share it that share the rows.
    pub(in crate::store) fn shared(rows: &Arc<dyn Rows>) -> Arc<Self> {
        Self::of(Arc::as_ptr(rows).cast::<()>() as usize, &(), || Arc::clone(rows))
    }

    /// The place that something at this address reaches, which the rows keep there.
    pub(in crate::store) fn of(
        address: usize,
        what: &impl Debug,
        rows: impl FnOnce() -> Arc<dyn Rows>,
    ) -> Arc<Self> {
        PLACES.lock().get_or_insert_with((address, format!("{what:?}")), || {
            Arc::new(Self { rows: rows(), watch: Arc::default(), notifies: Mutex::default() })
        })
    }

    /// Notifies `observer` of changes of the service's record. `None` if each service has to look by itself.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        service: &ServiceName,
        observer: Weak<dyn RecordObserver>,
    ) -> Result<Option<Subscription>> {
        if !self.rows.has_marks() {
            return Ok(None);
        }
        let is_first = !std::mem::replace(&mut *self.notifies.lock(), true);
        if is_first {
            self.rows.notify(&self.watch)?;
        }
        Subscription::new(self, service.as_str(), observer).map(Some)
    }
}

#[async_trait]
impl WatchedPlace for RowPlace {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    async fn look(self: Arc<Self>) {
        let (ids, keys): (Vec<_>, Vec<_>) = self.watch.services().into_iter().unzip();
        if ids.is_empty() {
            return;
        }
        match self.rows.marks(&keys).await {
            Ok(marks) => self.watch.end_look(ids.into_iter().zip(marks)),
            // They find out for themselves, and what a failing store means to each of them.
            Err(_) => keys.iter().for_each(|key| self.watch.notice(key)),
        }
    }
}
