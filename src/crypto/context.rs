//! What a sealed text belongs to.

use crate::domain::ServiceName;

/// The record and field that a text is sealed for. They are authenticated with the text: copied to the record of
/// another service, or to another field of the same record, it does not open.
#[derive(Clone, Debug)]
pub struct Context {
    service: ServiceName,
    field: &'static str,
}

impl Context {
    /// The field `field` of the record of `service`.
    pub fn new(service: &ServiceName, field: &'static str) -> Self {
        Self { service: service.clone(), field }
    }

    /// The associated data. Each part follows its length, so that no two contexts have the same.
    pub(super) fn associated_data(&self, header: &str) -> Vec<u8> {
        let parts = ["evertoken", header, self.service.as_str(), self.field];
        let mut data = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_le_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}
