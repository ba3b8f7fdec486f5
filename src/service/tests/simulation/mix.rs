//! What a seed decides before anything happens.

use std::time::Duration;

use fastrand::Rng;

/// The replicas, the place, the server, and how often what goes wrong.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub(super) struct Mix {
    pub(super) replicas: usize,
    pub(super) active: Duration,
    pub(super) timeout: Duration,
    pub(super) place_has_clock: bool,
    pub(super) place_has_marks: bool,
    pub(super) place_notifies: bool,
    pub(super) runs_scheduler: bool,
    /// How far clocks are apart.
    pub(super) skew: Duration,
    /// The lifetime of tokens.
    pub(super) lifetime: Duration,
    /// Whether the server ends the access token that a refresh replaces.
    pub(super) ends_old_tokens: bool,
    pub(super) store: StoreFaults,
    pub(super) server: ServerFaults,
    pub(super) events: Events,
}

/// The chance of each fault of an operation of the store.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StoreFaults {
    pub(super) refused: f64,
    pub(super) answer_lost: f64,
    pub(super) slow: f64,
}

/// The chance of each fault of a token request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerFaults {
    pub(super) unreachable: f64,
    pub(super) request_lost: f64,
    pub(super) answer_lost: f64,
    pub(super) slow: f64,
    pub(super) failing: f64,
    /// It refuses a refresh token that is good, and revokes its family.
    pub(super) lying: f64,
}

impl ServerFaults {
    pub(super) fn are_any(&self) -> bool {
        self.unreachable + self.request_lost + self.answer_lost + self.slow + self.failing + self.lying > 0.0
    }
}

/// How many of each kind happen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    pub(super) crashes: usize,
    pub(super) pauses: usize,
    pub(super) steps: usize,
    pub(super) partitions: usize,
    pub(super) outages: usize,
    pub(super) losses: usize,
    pub(super) server_outages: usize,
    pub(super) clears: usize,
    pub(super) refreshes: usize,
    pub(super) refusals: usize,
}

impl Mix {
    pub(super) fn of(rng: &mut Rng) -> Self {
        let replicas = [2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 8, 12][rng.usize(0..12)];
        let timeout = Duration::from_secs([3, 10, 10, 10, 20][rng.usize(0..5)]);
        let lifetime = Duration::from_secs(match rng.u8(0..10) {
            0..3 => rng.u64(8..30),
            3..8 => rng.u64(30..90),
            _ => 3600,
        });
        let skew = if rng.bool() { Duration::from_secs(rng.u64(1..120)) } else { Duration::ZERO };
        Self {
            replicas,
            active: Duration::from_secs(rng.u64(30..90)),
            timeout,
            place_has_clock: rng.bool(),
            place_has_marks: rng.u8(0..4) > 0,
            place_notifies: rng.bool(),
            runs_scheduler: rng.bool(),
            skew,
            lifetime,
            ends_old_tokens: rng.u8(0..4) == 0,
            store: store_faults(rng),
            server: server_faults(rng),
            events: events(rng),
        }
    }
}

impl Mix {
    /// Nothing goes wrong.
    pub(super) fn sound(replicas: usize, place_notifies: bool) -> Self {
        Self {
            replicas,
            active: Duration::ZERO,
            timeout: Duration::from_secs(10),
            place_has_clock: true,
            place_has_marks: true,
            place_notifies,
            runs_scheduler: false,
            skew: Duration::ZERO,
            lifetime: Duration::from_secs(3600),
            ends_old_tokens: false,
            store: StoreFaults::default(),
            server: ServerFaults::default(),
            events: Events::default(),
        }
    }
}

/// Most seeds have few kinds of faults: what holds in spite of the others is checked strictly then.
fn chance(rng: &mut Rng, highest: f64) -> f64 {
    if rng.u8(0..4) == 0 { rng.f64() * highest } else { 0.0 }
}

fn count(rng: &mut Rng, most: usize) -> usize {
    if rng.u8(0..3) == 0 { rng.usize(1..=most) } else { 0 }
}

fn store_faults(rng: &mut Rng) -> StoreFaults {
    if rng.bool() {
        return StoreFaults::default();
    }
    StoreFaults { refused: chance(rng, 0.3), answer_lost: chance(rng, 0.3), slow: chance(rng, 0.2) }
}

fn server_faults(rng: &mut Rng) -> ServerFaults {
    if rng.bool() {
        return ServerFaults::default();
    }
    ServerFaults {
        unreachable: chance(rng, 0.4),
        request_lost: chance(rng, 0.3),
        answer_lost: chance(rng, 0.3),
        slow: chance(rng, 0.4),
        failing: chance(rng, 0.4),
        lying: chance(rng, 0.2),
    }
}

fn events(rng: &mut Rng) -> Events {
    let is_store_sound = rng.bool();
    let of_store = |rng: &mut Rng, most| if is_store_sound { 0 } else { count(rng, most) };
    Events {
        crashes: count(rng, 4),
        pauses: count(rng, 4),
        steps: count(rng, 4),
        partitions: of_store(rng, 2),
        outages: of_store(rng, 2),
        losses: of_store(rng, 2),
        server_outages: count(rng, 2),
        clears: count(rng, 3),
        refreshes: count(rng, 4),
        refusals: count(rng, 4),
    }
}
