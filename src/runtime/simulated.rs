//! Processes that are simulated on one thread: deterministic, in virtual time.
//!
//! While a simulation runs, [`runtime::spawn`](super::spawn) puts tasks into the process that spawns them. Of the tasks
//! that are ready at a moment, the seed chooses the next one. Once none is ready, time moves on to the next timer. A
//! process can be killed, which drops its tasks wherever they are, and frozen, as a stopped process is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

/// So many steps without a moment passing are an endless loop.
const MOST_STEPS_AT_ONCE: u32 = 3_000_000;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
}

/// Whether a simulated process runs on this thread now.
pub(super) fn is_inside() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Spawns a task in the process that runs now.
pub(super) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<JoinHandle<T>> {
    let process = CURRENT.with_borrow(Option::clone);
    process.ok_or_else(dead)?.spawn(future)
}

fn dead() -> Error {
    Error::new(ErrorKind::Internal, "the simulated process has ended")
}

/// Runs `main` in a process that is never killed, on a runtime of its own whose time passes only while all tasks wait.
/// What it leaves running is dropped.
pub(crate) fn run<T: Send + 'static, F>(seed: u64, main: impl FnOnce(Arc<Process>) -> F) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    fastrand::seed(seed);
    runtime.block_on(tokio::task::unconstrained(async {
        let executor = Executor::new(seed);
        let world = Process::new(&executor);
        let mut end = world.enter(|| world.spawn(main(Arc::clone(&world)))).unwrap();
        let result = poll_fn(|context| {
            executor.run(context.waker());
            Pin::new(&mut end).poll(context)
        })
        .await
        .unwrap();
        for process in executor.processes() {
            process.kill();
        }
        result
    }))
}

/// Polls the tasks of all processes.
pub(crate) struct Executor {
    state: Mutex<ExecutorState>,
}

struct ExecutorState {
    ready: BTreeMap<u64, Arc<Task>>,
    last_id: u64,
    order: fastrand::Rng,
    root: Option<Waker>,
    processes: Vec<Weak<Process>>,
    steps: (Option<Instant>, u32),
}

impl Executor {
    fn new(seed: u64) -> Arc<Self> {
        let state = ExecutorState {
            ready: BTreeMap::new(),
            last_id: 0,
            order: fastrand::Rng::with_seed(!seed),
            root: None,
            processes: Vec::new(),
            steps: (None, 0),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Polls tasks until none is ready.
    fn run(&self, root: &Waker) {
        self.state.lock().root = Some(root.clone());
        while let Some(task) = self.next() {
            task.run();
        }
    }

    /// One of the ready tasks. Not by the order in which they were woken: tokio wakes in a random one.
    fn next(&self) -> Option<Arc<Task>> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.steps.0.replace(now) != Some(now) {
            state.steps.1 = 0;
        }
        state.steps.1 += 1;
        assert!(state.steps.1 < MOST_STEPS_AT_ONCE, "tasks wake each other without end");
        let last_id = state.last_id;
        let from = state.order.u64(0..=last_id);
        let id = state.ready.range(from..).next().map(|(id, _)| *id);
        let id = id.or_else(|| state.ready.first_key_value().map(|(id, _)| *id))?;
        state.ready.remove(&id)
    }

    fn wake(&self, task: Arc<Task>) {
        let mut state = self.state.lock();
        state.ready.insert(task.id, task);
        if let Some(root) = &state.root {
            root.wake_by_ref();
        }
    }

    fn processes(&self) -> Vec<Arc<Process>> {
        self.state.lock().processes.iter().filter_map(Weak::upgrade).collect()
    }
}

/// One process.
pub(crate) struct Process {
    executor: Arc<Executor>,
    state: Mutex<ProcessState>,
}

#[derive(Default)]
struct ProcessState {
    is_dead: bool,
    is_frozen: bool,
    tasks: BTreeMap<u64, Arc<Task>>,
    /// What became ready while it was frozen.
    held_back: Vec<Arc<Task>>,
}

impl Process {
    fn new(executor: &Arc<Executor>) -> Arc<Self> {
        let process = Arc::new(Self { executor: Arc::clone(executor), state: Mutex::default() });
        executor.state.lock().processes.push(Arc::downgrade(&process));
        process
    }

    /// Another process of the same simulation.
    pub(crate) fn another(&self) -> Arc<Self> {
        Self::new(&self.executor)
    }

    /// Does something as this process.
    pub(crate) fn enter<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(Arc::clone(self)));
        let result = work();
        CURRENT.set(outer);
        result
    }

    /// Spawns a task in this process, unless it has ended.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        let (answer, answered) = oneshot::channel();
        let task = self.add(Box::pin(async move {
            let _ = answer.send(future.await);
        }))?;
        let abort = AbortOnDrop(Arc::downgrade(&task));
        self.executor.wake(task);
        // Stands for the task where a handle of tokio's is expected.
        Ok(Handle::current().spawn(async move {
            let _abort = abort;
            match answered.await {
                Ok(result) => result,
                Err(_) => std::future::pending().await,
            }
        }))
    }

    /// Spawns a task that no one waits for, unless the process has ended.
    pub(crate) fn detach(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        if let Ok(task) = self.add(Box::pin(future)) {
            self.executor.wake(task);
        }
    }

    fn add(self: &Arc<Self>, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<Arc<Task>> {
        let id = {
            let mut executor = self.executor.state.lock();
            executor.last_id += 1;
            executor.last_id
        };
        let task = Arc::new(Task { id, process: Arc::clone(self), future: Mutex::new(Some(future)) });
        let mut state = self.state.lock();
        if state.is_dead {
            return Err(dead());
        }
        state.tasks.insert(id, Arc::clone(&task));
        Ok(task)
    }

    /// Ends it in the middle of what it does.
    pub(crate) fn kill(self: &Arc<Self>) {
        let tasks = {
            let mut state = self.state.lock();
            state.is_dead = true;
            state.held_back.clear();
            std::mem::take(&mut state.tasks)
        };
        for task in tasks.into_values() {
            task.cancel();
        }
    }

    /// From now on none of its tasks runs, until it is thawed. Its timers and what it is sent are waiting for it then.
    pub(crate) fn freeze(&self) {
        self.state.lock().is_frozen = true;
    }

    pub(crate) fn thaw(&self) {
        let held_back = {
            let mut state = self.state.lock();
            state.is_frozen = false;
            std::mem::take(&mut state.held_back)
        };
        for task in held_back {
            self.executor.wake(task);
        }
    }

    fn holds_back(&self, task: &Arc<Task>) -> bool {
        let mut state = self.state.lock();
        if state.is_frozen && !state.is_dead {
            state.held_back.push(Arc::clone(task));
        }
        state.is_frozen || state.is_dead
    }
}

struct Task {
    id: u64,
    process: Arc<Process>,
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let process = Arc::clone(&self.process);
        process.executor.wake(self);
    }
}

impl Task {
    fn run(self: &Arc<Self>) {
        if self.process.holds_back(self) {
            return;
        }
        let waker = Waker::from(Arc::clone(self));
        let has_ended = self.process.enter(|| {
            let mut future = self.future.lock();
            let Some(task) = future.as_mut() else { return false };
            task.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
        });
        if has_ended {
            self.cancel();
        }
    }

    /// Drops what is left of it, as its process.
    fn cancel(&self) {
        self.process.state.lock().tasks.remove(&self.id);
        self.process.enter(|| drop(self.future.lock().take()));
    }
}

struct AbortOnDrop(Weak<Task>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.upgrade() {
            task.cancel();
        }
    }
}

/// Waits in virtual time.
pub(crate) async fn sleep(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::runtime;

    /// A process that counts the seconds.
    fn counting(world: &Process) -> (Arc<Process>, Arc<AtomicU32>) {
        let (process, seconds) = (world.another(), Arc::new(AtomicU32::new(0)));
        let counter = Arc::clone(&seconds);
        process.enter(|| {
            let task = async move {
                loop {
                    sleep(Duration::from_secs(1)).await;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            };
            runtime::spawn(task).map(drop).unwrap();
        });
        (process, seconds)
    }

    #[test]
    fn a_killed_process_does_nothing_more_and_a_frozen_one_goes_on() {
        let (killed, frozen) = run(1, |world| async move {
            let ((one, killed), (other, frozen)) = (counting(&world), counting(&world));
            sleep(Duration::from_millis(3500)).await;
            one.kill();
            other.freeze();
            sleep(Duration::from_secs(100)).await;
            other.thaw();
            sleep(Duration::from_millis(2500)).await;
            assert!(one.spawn(async {}).is_err());
            (killed.load(Ordering::Relaxed), frozen.load(Ordering::Relaxed))
        });
        assert_eq!((killed, frozen), (3, 6));
    }

    #[test]
    fn a_handle_ends_its_task_and_tells_of_its_end() {
        run(1, |_| async {
            let (dropped, is_dropped) = oneshot::channel::<()>();
            let endless = async move {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            };
            let endless = runtime::spawn(endless).unwrap();
            assert_eq!(runtime::spawn(async { 7 }).unwrap().await.unwrap(), 7);
            endless.abort();
            assert!(is_dropped.await.is_err());
        });
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| {
            run(seed, |world| async move {
                let order = Arc::new(Mutex::new(Vec::new()));
                for n in 0..8 {
                    let order = Arc::clone(&order);
                    world.detach(async move { order.lock().push(n) });
                }
                sleep(Duration::from_millis(1)).await;
                std::mem::take(&mut *order.lock())
            })
        };
        assert_eq!(order(1), order(1));
        assert!((2..9).any(|seed| order(seed) != order(1)));
    }
}
