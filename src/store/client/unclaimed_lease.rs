//! A lease that was granted and may have no caller any more.

use crate::domain::ServiceName;
use crate::runtime;
use crate::store::{Leasing, SealedStore};

/// The answer to a claim. If its caller no longer waits for it, the lease is released: a store that was frozen may carry
/// out the claim long after, and would keep all other processes from a request.
pub(super) struct UnclaimedLease {
    store: SealedStore,
    service: ServiceName,
    leasing: Leasing,
}

impl UnclaimedLease {
    pub(super) fn new(store: SealedStore, service: ServiceName, leasing: Leasing) -> Self {
        Self { store, service, leasing }
    }

    /// The caller has received it.
    pub(super) fn claim(mut self) -> Leasing {
        std::mem::replace(&mut self.leasing, Leasing::Unknown)
    }
}

impl Drop for UnclaimedLease {
    fn drop(&mut self) {
        if let Leasing::Granted(grant) = std::mem::replace(&mut self.leasing, Leasing::Unknown) {
            let (store, service) = (self.store.clone(), self.service.clone());
            let _ = runtime::spawn(async move { store.release(&service, grant.fence, grant.note).await });
        }
    }
}
