//! The services of this process, by name: one of a name, whichever copy of the JavaScript asks.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::watch;

use super::{Parts, Service, Shared};
use crate::config::Config;
use crate::domain::ServiceName;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::sync::{Mutex, MutexGuard};

/// What came of an initialisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// The number of the service.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it is new; an equal live one is given again.
    pub created: bool,
    /// The number of the service of the same name that it replaced.
    pub replaced: Option<u32>,
}

/// Services by name and number. Numbers are never used twice.
pub struct Registry {
    next: AtomicU32,
    /// Services that were taken out, as long as a request of theirs is under way.
    ending: Mutex<Vec<Weak<Service>>>,
    services: Mutex<Vec<(u32, Arc<Service>)>>,
    shared: Shared,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            next: AtomicU32::new(0),
            ending: Mutex::default(),
            services: Mutex::default(),
            shared: Shared::default(),
        }
    }
}

impl Registry {
    /// The live service of this configuration: the one there is, where it is equal; else a new one, and one
    /// of the same name is shut down.
    pub fn initialize(
        &self,
        config: Config,
        parts: impl FnOnce(u32, Shared) -> Result<Parts>,
    ) -> Result<Initialized> {
        let mut services = self.services();
        let name = config.service.clone();
        let old = services.iter().position(|(_, service)| service.config().service == name);
        let id = match old {
            Some(at) if services[at].1.config().fingerprint == config.fingerprint => services[at].0,
            _ => self.next.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let parts = parts(id, self.shared.clone())?;
        if let Some(at) = old.filter(|at| services[*at].0 == id) {
            services[at].1.set_log(parts.log);
            return Ok(Initialized { id, name: name.to_string(), created: false, replaced: None });
        }
        let log: Log = parts.log.clone();
        let service = Service::start(config, parts)?;
        let replaced = old.map(|at| services[at].0);
        if let Some(at) = old {
            service.replace(&services[at].1);
            services[at] = (id, service);
            log.write(
                Level::Warn,
                "initialized again with another configuration; the earlier service is shut down",
            );
        } else {
            if let Some(ended) = self.ending(&name) {
                service.replace(&ended);
            }
            services.push((id, service));
        }
        // Another may be the default one now.
        for (_, service) in services.iter() {
            service.changed();
        }
        drop(services);
        Ok(Initialized { id, name: name.to_string(), created: true, replaced })
    }

    /// The number of the live service of this name; without a name the one of the default name, else the
    /// first.
    pub fn find(&self, name: Option<&str>) -> Option<u32> {
        let services = self.services();
        let wanted = name.unwrap_or(ServiceName::DEFAULT);
        let named = services.iter().find(|(_, service)| service.config().service.as_str() == wanted);
        let found = named.or_else(|| services.first().filter(|_| name.is_none()));
        found.map(|(id, _)| *id)
    }

    /// The service of this number.
    ///
    /// # Errors
    /// `Shutdown` for one that was shut down or replaced.
    pub fn get(&self, id: u32) -> Result<Arc<Service>> {
        let found =
            self.services().iter().find(|(known, _)| *known == id).map(|(_, service)| Arc::clone(service));
        match found {
            Some(service) => Ok(service),
            None if id <= self.next.load(Ordering::Relaxed) => Err(Error::shutdown()),
            None => Err(Error::new(ErrorKind::Internal, "there is no such service")),
        }
    }

    /// Every live service.
    pub fn all(&self) -> Vec<Arc<Service>> {
        self.services().iter().map(|(_, service)| Arc::clone(service)).collect()
    }

    /// Takes the service out; it is shut down by the caller.
    pub fn take(&self, id: u32) -> Option<Arc<Service>> {
        let mut services = self.services();
        let at = services.iter().position(|(known, _)| *known == id)?;
        let (_, service) = services.remove(at);
        drop(services);
        self.ending.lock().push(Arc::downgrade(&service));
        self.shared.pulse.send_modify(|count| *count += 1);
        Some(service)
    }

    /// Changes whenever a service comes, goes or changes.
    pub fn pulse(&self) -> watch::Receiver<u64> {
        self.shared.pulse.subscribe()
    }

    /// The service of this name that was taken out last, if it is still there.
    fn ending(&self, name: &ServiceName) -> Option<Arc<Service>> {
        let mut ending = self.ending.lock();
        ending.retain(|service| service.strong_count() > 0);
        ending.iter().rev().filter_map(Weak::upgrade).find(|service| service.config().service == *name)
    }

    fn services(&self) -> MutexGuard<'_, Vec<(u32, Arc<Service>)>> {
        self.services.lock()
    }
}
