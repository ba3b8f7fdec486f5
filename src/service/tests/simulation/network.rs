//! What a replica reaches through the network: the store, and the token server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::books::{Trouble, Who};
use super::server::{Asked, Served};
use super::world::World;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::simulated::{Process, sleep};
use crate::store::tests::simulated_rows::{Network, Trip};
use crate::transport::{Body, Request, Response, Transport};

/// The network as one life of a replica sees it.
pub(super) struct ReplicaNetwork {
    pub(super) who: Who,
    pub(super) process: Arc<Process>,
    pub(super) world: Arc<World>,
}

impl Network for ReplicaNetwork {
    fn process(&self) -> &Arc<Process> {
        &self.process
    }

    fn trip(&self, operation: &'static str) -> Trip {
        let World { mix, .. } = &*self.world;
        let fast = || self.world.between(1, 15);
        let sound = Trip { there: fast(), back: fast(), arrives: true, is_answered: true };
        let weather = self.world.weather();
        if weather.is_calm {
            return sound;
        }
        let faults = mix.store;
        let long = || if self.world.chance(0.3) { self.world.between(500, 12_000) } else { fast() };
        let (trip, what) = if weather.is_store_down || weather.cut_off.contains(&self.who.replica) {
            (Trip { there: long(), arrives: false, ..sound }, "does not reach the store")
        } else if self.world.chance(faults.refused) {
            (Trip { arrives: false, ..sound }, "is refused")
        } else if self.world.chance(faults.answer_lost) {
            (Trip { back: long(), is_answered: false, ..sound }, "gets no answer")
        } else if self.world.chance(faults.slow) {
            let slow = || self.world.between(100, 4000);
            (Trip { there: slow(), back: slow(), ..sound }, "is slow")
        } else {
            return sound;
        };
        if trip.there + trip.back > Duration::from_secs(1) || !trip.arrives || !trip.is_answered {
            self.world.books.trouble(Some(self.who), Trouble::Store(trip.there + trip.back));
        }
        let ends_after = (trip.there + trip.back).as_secs_f64();
        self.world.trace.write(format_args!("{}: a {operation} {what}, {ends_after:.3} s", self.who));
        trip
    }

    fn notice(&self) -> Option<Duration> {
        let weather = self.world.weather();
        let is_cut_off = weather.is_store_down || weather.cut_off.contains(&self.who.replica);
        let is_lost = !weather.is_calm && (is_cut_off || self.world.chance(0.02));
        (!is_lost).then(|| self.world.between(1, 20))
    }

    fn has_changed(&self, what: &str) {
        self.world.trace.write(format_args!("store: {} {what}", self.who));
    }
}

/// What becomes of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Served,
    Unreachable,
    RequestLost,
    AnswerLost,
    Slow,
    Failing(u16),
    Lying,
}

impl ReplicaNetwork {
    fn fate(&self, asked: Asked) -> Fate {
        let weather = self.world.weather();
        if weather.is_calm {
            return Fate::Served;
        }
        let (world, faults) = (&self.world, self.world.mix.server);
        if weather.is_server_down {
            return if world.chance(0.5) { Fate::Unreachable } else { Fate::Failing(503) };
        }
        let fates = [
            (faults.unreachable, Fate::Unreachable),
            (faults.request_lost, Fate::RequestLost),
            (faults.answer_lost, Fate::AnswerLost),
            (faults.slow, Fate::Slow),
            (faults.failing, Fate::Failing([500, 502, 503, 429][world.below(4)])),
            (if asked == Asked::Login { 0.0 } else { faults.lying }, Fate::Lying),
        ];
        fates.into_iter().find(|(chance, _)| world.chance(*chance)).map_or(Fate::Served, |(_, fate)| fate)
    }

    /// What the server does with a request that has arrived, and how it answers.
    fn serve(&self, asked: Asked, sent: Instant, fate: Fate) -> (u16, Value) {
        let World { server, books, trace, .. } = &*self.world;
        match (fate, asked) {
            (Fate::Failing(status), _) => {
                trace.write(format_args!("server: {asked:?} of {}: fails with {status}", self.who));
                (status, Value::Null)
            }
            (Fate::Lying, Asked::Refresh(number)) => {
                trace.write(format_args!("server: {asked:?} of {}: is refused for no reason", self.who));
                server.revoke(number.family);
                server.answer(asked, Served::Revoked)
            }
            _ => {
                let served = server.serve(asked);
                books.served(self.who, sent, asked, served);
                server.answer(asked, served)
            }
        }
    }
}

#[async_trait]
impl Transport for ReplicaNetwork {
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response> {
        let asked = match &request.body {
            Body::Form(text) | Body::Json(text) => Asked::read(text.expose()),
            Body::Empty => Asked::Login,
        };
        let (sent, fate, world) = (Instant::now(), self.fate(asked), Arc::clone(&self.world));
        world.trace.write(format_args!("{} sends {asked:?}: {fate:?}", self.who));
        if fate != Fate::Served {
            world.books.excuse_login();
        }
        if fate == Fate::Unreachable {
            sleep(world.between(1, 50)).await;
            return Err(Error::new(ErrorKind::Network, "refused").unsent());
        }
        let is_slow = fate == Fate::Slow;
        let span = || if is_slow { world.between(500, 12_000) } else { world.between(10, 300) };
        // What comes later than that finds no one there, and is not served.
        let (there, back) = (span().min(timeout), span());
        let (answer, answered) = oneshot::channel();
        let this = Self { process: Arc::clone(&self.process), world: Arc::clone(&world), ..*self };
        world.process.detach(async move {
            sleep(there).await;
            if fate == Fate::RequestLost {
                return;
            }
            let response = this.serve(asked, sent, fate);
            sleep(back).await;
            if fate != Fate::AnswerLost {
                let _ = answer.send(response);
            }
        });
        let cut = || Error::new(ErrorKind::Network, "the connection was closed");
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok((status, body))) => Ok(response(status, &body)),
            Ok(Err(_)) => Err(cut()),
            Err(_) => {
                world.books.excuse_login();
                Err(Error::new(ErrorKind::Timeout, "no answer in time"))
            }
        }
    }
}

fn response(status: u16, body: &Value) -> Response {
    let mut headers = HeaderMap::new();
    if matches!(status, 503 | 429) {
        headers.insert("retry-after", HeaderValue::from_static("2"));
    }
    Response { status, headers, body: Zeroizing::new(body.to_string().into_bytes()) }
}
