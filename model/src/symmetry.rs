//! Replicas are alike: states that differ only by which is which need to be explored once.

use super::cells::{Lease, Owner, Write};
use super::clearing::ClearStep;
use super::state::{MAX_REPLICAS, State, Step};

/// A state that stands for all those that differ from it by the order of their replicas.
pub fn representative(state: &State) -> State {
    let state = state.canonical();
    let mut order: [usize; MAX_REPLICAS] = std::array::from_fn(|at| at);
    order.sort_by_key(|at| state.replicas[*at]);
    if order.is_sorted() {
        return state;
    }
    let mut places = [0; MAX_REPLICAS];
    for (place, at) in order.iter().enumerate() {
        places[*at] = u8::try_from(place).unwrap_or(u8::MAX);
    }
    let moved = Moved { places };
    let mut next = state.clone();
    next.replicas = order.map(|at| state.replicas[at]);
    for replica in &mut next.replicas {
        if let Some(sighting) = &mut replica.sighting {
            moved.lease(&mut sighting.lease);
        }
        match &mut replica.step {
            Step::Take { seen: lease, .. }
            | Step::PutRenewed { seen: lease, .. }
            | Step::CheckRenewed { next: lease, .. } => moved.lease(lease),
            _ => {}
        }
    }
    moved.lease(&mut next.lease);
    if let Some(Write::Lease { seen, next }) = &mut next.floating {
        moved.lease(seen);
        moved.lease(next);
    }
    if let Some(clearing) = &mut next.clearing {
        let is_under_way = clearing.step != ClearStep::Abandoned;
        clearing.by = if is_under_way { places[usize::from(clearing.by)] } else { 0 };
    }
    next
}

/// Where each replica is now.
struct Moved {
    places: [u8; MAX_REPLICAS],
}

impl Moved {
    fn lease(&self, lease: &mut Lease) {
        if let Some(Owner::Replica(at, _)) = &mut lease.owner {
            *at = self.places[usize::from(*at)];
        }
    }
}
