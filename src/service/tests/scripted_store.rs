//! A store that several services share, as processes do, and that fails by a script.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::crypto::KeyRing;
use crate::domain::Secret;
use crate::store::{
    Claim, Fence, Leasing, MemoryStore, Owner, Revision, Saved, SealedStore, Slot, StoredRow,
};

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Load,
    Save,
    Remove,
    Lease,
    Renew,
    Release,
}

impl Call {
    pub(super) const ALL: [Self; 6] =
        [Self::Load, Self::Save, Self::Remove, Self::Lease, Self::Renew, Self::Release];
}

pub(super) struct ScriptedStore {
    place: MemoryStore,
    has_leases: bool,
    broken: StdMutex<Vec<Call>>,
    hangs: AtomicBool,
    hanging: StdMutex<Vec<Call>>,
    loses_answers: AtomicBool,
    /// How many looks from now one waits with what it found, if not 0; and whether one does.
    parks: AtomicUsize,
    has_parked: AtomicBool,
    /// How long a call takes that fails.
    fails_after: StdMutex<Duration>,
}

impl ScriptedStore {
    pub(super) fn new() -> Arc<Self> {
        Self::made(true)
    }

    /// As a Prisma client or a store of the user's own.
    pub(super) fn without_leases() -> Arc<Self> {
        Self::made(false)
    }

    fn made(has_leases: bool) -> Arc<Self> {
        let broken = StdMutex::default();
        Arc::new(Self {
            place: MemoryStore::new(),
            has_leases,
            broken,
            hangs: AtomicBool::new(false),
            hanging: StdMutex::default(),
            loses_answers: AtomicBool::new(false),
            parks: AtomicUsize::new(0),
            has_parked: AtomicBool::new(false),
            fails_after: StdMutex::default(),
        })
    }

    /// From now on these calls fail.
    pub(super) fn breaks(&self, calls: &[Call]) {
        *self.broken.lock().unwrap() = calls.to_vec();
    }

    /// From now on every call fails, and not at once: as a database does that another program has locked.
    pub(super) fn is_busy(&self, wait: Duration) {
        *self.fails_after.lock().unwrap() = wait;
        self.breaks(&Call::ALL);
    }

    /// From now on these calls do not return.
    pub(super) fn hangs_at(&self, calls: &[Call]) {
        *self.hanging.lock().unwrap() = calls.to_vec();
    }

    pub(super) fn heals(&self) {
        self.breaks(&[]);
        self.hangs_at(&[]);
        self.hangs.store(false, Ordering::SeqCst);
        self.loses_answers.store(false, Ordering::SeqCst);
        self.has_parked.store(false, Ordering::SeqCst);
    }

    /// The next look brings what it found once the store heals.
    pub(super) fn parks_a_look(&self) {
        self.parks_look(1);
    }

    /// The `number`-th look from now brings what it found once the store heals.
    pub(super) fn parks_look(&self, number: usize) {
        self.parks.store(number, Ordering::SeqCst);
    }

    /// The look that waits brings what it found.
    pub(super) fn ends_the_look(&self) {
        self.has_parked.store(false, Ordering::SeqCst);
    }

    pub(super) fn has_parked(&self) -> bool {
        self.has_parked.load(Ordering::SeqCst)
    }

    /// From now on what is saved is stored, and reported as failed.
    pub(super) fn loses_answers(&self) {
        self.loses_answers.store(true, Ordering::SeqCst);
    }

    /// From now on nothing comes back.
    pub(super) fn hangs(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    async fn call(&self, call: Call) -> Result<()> {
        let hangs = || self.hangs.load(Ordering::SeqCst) || self.hanging.lock().unwrap().contains(&call);
        while hangs() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let fails = self.broken.lock().unwrap().contains(&call);
        if fails {
            let wait = *self.fails_after.lock().unwrap();
            tokio::time::sleep(wait).await;
            return Err(Error::new(ErrorKind::Storage, format!("{call:?} fails")));
        }
        Ok(())
    }

    pub(super) async fn row(&self) -> Option<(StoredRow, Revision)> {
        self.place.load(&ServiceName::default()).await.unwrap().record()
    }

    /// What is stored, as a process with the same key sees it.
    pub(super) fn sealed(self: &Arc<Self>) -> SealedStore {
        let ring = KeyRing::from_keys(vec![Secret::new(KEY)]).unwrap();
        SealedStore::new(Arc::clone(self) as Arc<dyn Store>, Arc::new(ring))
    }

    /// Puts a row there as another program does.
    pub(super) async fn put(&self, row: &StoredRow) {
        let seen = self.row().await.map(|(_, revision)| revision);
        let saved = self.place.save(&ServiceName::default(), row, seen, None).await.unwrap();
        assert!(matches!(saved, Saved::Stored(_)));
    }

    /// The record is gone, although no process removed it.
    pub(super) async fn loses_the_record(&self) {
        let (_, seen) = self.row().await.unwrap();
        self.place.set_aside(&ServiceName::default(), seen).await.unwrap();
    }

    /// Another process takes the lease, if it is free at `now`.
    pub(super) async fn taken_by_another(&self, now: Timestamp) -> Option<Fence> {
        let claim =
            Claim { owner: Owner::random(), now, elapsed: Duration::ZERO, length: Duration::from_secs(11) };
        match self.place.lease(&ServiceName::default(), &claim).await.unwrap() {
            Leasing::Granted(grant) => Some(grant.fence),
            _ => None,
        }
    }
}

#[async_trait]
impl Store for ScriptedStore {
    fn kind(&self) -> &'static str {
        "store"
    }

    fn location(&self) -> String {
        "store".into()
    }

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        self.call(Call::Load).await?;
        let found = self.place.load(service).await;
        let one_less = |looks: usize| looks.checked_sub(1);
        if self.parks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1) {
            self.has_parked.store(true, Ordering::SeqCst);
            while self.has_parked() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        found
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        self.call(Call::Save).await?;
        let saved = self.place.save(service, row, expected, fence).await;
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Storage, "the answer is lost").uncertain());
        }
        saved
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        self.call(Call::Remove).await?;
        self.place.remove(service).await
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        self.place.set_aside(service, seen).await
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        self.call(Call::Lease).await?;
        if !self.has_leases {
            return Ok(Leasing::Unknown);
        }
        self.place.lease(service, claim).await
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        self.call(Call::Renew).await?;
        self.place.renew(service, claim, fence).await
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        self.call(Call::Release).await?;
        self.place.release(service, fence, note).await
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        self.place.load_note(service).await
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()> {
        self.place.save_note(service, note, until).await
    }
}

/// A key of its own spares each test the slow derivation.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A process that shares the store.
pub(super) fn process(
    store: &Arc<ScriptedStore>,
    clock: &Arc<ManualClock>,
    answers: impl IntoIterator<Item = Script>,
) -> TestService {
    configured_process(&json!({}), store, clock, answers)
}

pub(super) fn configured_process(
    extra: &Value,
    store: &Arc<ScriptedStore>,
    clock: &Arc<ManualClock>,
    answers: impl IntoIterator<Item = Script>,
) -> TestService {
    service_of_process(&Credentials::default(), extra, store, clock, answers)
}

/// A service of the process that has this in common.
pub(super) fn service_of_process(
    shared: &Credentials,
    extra: &Value,
    store: &Arc<ScriptedStore>,
    clock: &Arc<ManualClock>,
    answers: impl IntoIterator<Item = Script>,
) -> TestService {
    let mut config = json!({ "encryptionKey": KEY });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let store = Some(Arc::clone(store) as Arc<dyn Store>);
    TestService::sharing(Arc::clone(shared), &config, answers, Arc::clone(clock), store)
}

pub(super) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000.0)))
}

/// Lets time pass until `work` is done, some milliseconds at a time.
pub(super) async fn passing<T: Send + 'static>(
    clock: &ManualClock,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let work = tokio::spawn(work);
    while !work.is_finished() {
        clock.advance(Duration::from_millis(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    work.await.unwrap()
}

/// Lets `seconds` pass, a twentieth at a time, so that tasks that wait for a moment can run.
pub(super) async fn pass(clock: &ManualClock, seconds: u64) {
    for _ in 0..seconds * 20 {
        clock.advance(Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until `fact` is one; time stands still.
pub(super) async fn until(fact: impl Fn() -> bool) {
    while !fact() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) fn acquiring(fixture: &TestService) -> impl Future<Output = Option<String>> + Send + 'static {
    let service = Arc::clone(&fixture.service);
    async move { service.acquire().await.unwrap().map(|token| token.token.secret().expose().to_owned()) }
}

pub(super) fn refreshing(fixture: &TestService) -> impl Future<Output = Result<()>> + Send + 'static {
    let service = Arc::clone(&fixture.service);
    async move { service.refresh().await }
}

/// Holds the server's answers back until there is a permit.
pub(super) async fn hold(fixture: &TestService) {
    fixture.server.gate.acquire().await.unwrap().forget();
}
