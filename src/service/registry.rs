//! The services of this process, by name: one for each name, whichever copy of the JavaScript asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use super::{ChangedServices, KnownCredentials, Parts, Schedule, Service};
use crate::config::Config;
use crate::domain::ServiceName;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;
use crate::sync::Mutex;

/// The result of an initialization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// The number of the service.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it is new; an equal live one is returned again.
    pub created: bool,
    /// The number of the service of the same name that it replaced.
    pub replaced: Option<u32>,
}

/// Services by name and number. No number is used twice.
#[derive(Default)]
pub struct Registry {
    /// Held while a service is initialized, so that two of one name do not start. Its events may look up services.
    initialization: Mutex<()>,
    services: Mutex<Services>,
    /// Services that were taken out, while a request of theirs is under way.
    ending: Mutex<Vec<Weak<Service>>>,
    changed: Arc<ChangedServices>,
    credentials: Arc<KnownCredentials>,
}

#[derive(Default)]
struct Services {
    last_id: u32,
    by_id: HashMap<u32, Entry>,
    by_name: HashMap<ServiceName, u32>,
    /// Numbers in the order of initialization. A service takes the place of the one that it replaces.
    by_order: BTreeMap<u32, u32>,
}

struct Entry {
    order: u32,
    service: Arc<Service>,
}

impl Registry {
    /// The live service of this configuration: the one there is, if it is equal; else a new one, and one of the same
    /// name is shut down.
    pub fn initialize(
        &self,
        config: Config,
        parts: impl FnOnce(Schedule, Arc<KnownCredentials>) -> Result<Parts>,
    ) -> Result<Initialized> {
        let _one_at_a_time = self.initialization.lock();
        let name = config.service.clone();
        let (id, old, equal) = self.services.lock().place(&config);
        let schedule = Schedule { id, changed: Arc::clone(&self.changed) };
        let parts = parts(schedule, Arc::clone(&self.credentials))?;
        if let Some(equal) = equal {
            equal.set_log(parts.log);
            return Ok(Initialized { id, name: name.to_string(), created: false, replaced: None });
        }
        let log = parts.log.clone();
        let service = Service::start(config, parts)?;
        let outdated = self.services.lock().replace(old, id, &service);
        if let Some(replaced) = &outdated.replaced {
            replaced.replace_by(&service);
            log.write(
                Level::Warn,
                "initialized again with a different configuration; the earlier service was shut down",
            );
        } else if let Some(ended) = self.ending(&name) {
            ended.replace_by(&service);
        }
        if let Some(default) = outdated.default {
            // Callers that name no service have to look again.
            default.changed();
        }
        // The loop finds the service from now on.
        self.changed.mark(id);
        Ok(Initialized { id, name: name.to_string(), created: true, replaced: old })
    }

    /// The number of the live service of this name; without a name the one of the default name, else the first one that
    /// was initialized.
    pub fn find(&self, name: Option<&str>) -> Option<u32> {
        self.services.lock().find(name)
    }

    /// The service of this number.
    ///
    /// # Errors
    /// `Shutdown` if it was shut down or replaced.
    pub fn get(&self, id: u32) -> Result<Arc<Service>> {
        let services = self.services.lock();
        match services.by_id.get(&id) {
            Some(entry) => Ok(Arc::clone(&entry.service)),
            None if id <= services.last_id => Err(Error::shutdown()),
            None => Err(Error::new(ErrorKind::Internal, "unknown service number; please report it")),
        }
    }

    /// Every live service with its number.
    pub fn all(&self) -> Vec<(u32, Arc<Service>)> {
        let services = self.services.lock();
        services.by_id.iter().map(|(id, entry)| (*id, Arc::clone(&entry.service))).collect()
    }

    /// Takes the service out; the caller shuts it down.
    pub fn take(&self, id: u32) -> Option<Arc<Service>> {
        let Entry { service, .. } = self.services.lock().remove(id)?;
        {
            let mut ending = self.ending.lock();
            // Now and then, so that those that have ended do not pile up.
            if ending.len().is_power_of_two() {
                ending.retain(|service| service.strong_count() > 0);
            }
            ending.push(Arc::downgrade(&service));
        }
        self.changed.mark(id);
        Some(service)
    }

    /// The services that have changed since they were last taken: those that come and go, too.
    pub fn changed(&self) -> &Arc<ChangedServices> {
        &self.changed
    }

    /// The service of this name that was taken out last, if it still exists.
    fn ending(&self, name: &ServiceName) -> Option<Arc<Service>> {
        let mut ending = self.ending.lock();
        ending.retain(|service| service.strong_count() > 0);
        ending.iter().rev().filter_map(Weak::upgrade).find(|service| service.config().service == *name)
    }

    /// A registry of one service, which was started with this schedule.
    #[cfg(test)]
    pub(crate) fn of(service: &Arc<Service>, schedule: &Schedule) -> Self {
        let registry = Self { changed: Arc::clone(&schedule.changed), ..Self::default() };
        registry.services.lock().insert(schedule.id, Entry { order: 0, service: Arc::clone(service) });
        registry.changed.mark(schedule.id);
        registry
    }
}

/// What a new service takes the place of.
struct Outdated {
    /// The service of its name.
    replaced: Option<Arc<Service>>,
    /// The service that callers got without a name, if that is another one now.
    default: Option<Arc<Service>>,
}

impl Services {
    /// The number for a configuration, the number of the service of its name, and that service if it is equal.
    fn place(&mut self, config: &Config) -> (u32, Option<u32>, Option<Arc<Service>>) {
        let old = self.by_name.get(&config.service).copied();
        let service = old.and_then(|old| self.by_id.get(&old)).map(|entry| Arc::clone(&entry.service));
        let equal = service.filter(|service| service.config().fingerprint == config.fingerprint);
        if let (Some(old), Some(equal)) = (old, equal) {
            return (old, Some(old), Some(equal));
        }
        self.last_id += 1;
        (self.last_id, old, None)
    }

    /// Puts a service in, in place of the one of the number `old`.
    fn replace(&mut self, old: Option<u32>, id: u32, service: &Arc<Service>) -> Outdated {
        let default = self.find(None);
        let default_service =
            default.and_then(|id| self.by_id.get(&id)).map(|entry| Arc::clone(&entry.service));
        let replaced = old.and_then(|old| self.remove(old));
        let order = replaced.as_ref().map_or(id, |replaced| replaced.order);
        self.insert(id, Entry { order, service: Arc::clone(service) });
        Outdated {
            replaced: replaced.map(|replaced| replaced.service),
            default: default_service.filter(|_| self.find(None) != default),
        }
    }

    fn find(&self, name: Option<&str>) -> Option<u32> {
        let wanted = ServiceName::parse(name.unwrap_or(ServiceName::DEFAULT)).ok()?;
        let first = || self.by_order.first_key_value().map(|(_, id)| *id).filter(|_| name.is_none());
        self.by_name.get(&wanted).copied().or_else(first)
    }

    fn insert(&mut self, id: u32, entry: Entry) {
        self.by_name.insert(entry.service.config().service.clone(), id);
        self.by_order.insert(entry.order, id);
        self.by_id.insert(id, entry);
    }

    fn remove(&mut self, id: u32) -> Option<Entry> {
        let entry = self.by_id.remove(&id)?;
        self.by_name.remove(&entry.service.config().service);
        self.by_order.remove(&entry.order);
        Some(entry)
    }
}
