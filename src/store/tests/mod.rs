//! What tests of other modules need of the inside of this one.

pub(crate) mod simulated_rows;
