//! The hash workers: a fixed number of threads, each with one arena, behind one bounded line.
//!
//! Hashing is 99 % of a sign-in's work and the only part that takes megabytes, so it has its own threads at low priority:
//! token checks never wait behind it, and memory stays below workers times the memory of one hash (F10, A110). A caller
//! who goes away before a job starts cancels it; a job that panics takes neither its worker nor the line with it.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use claviger_kernel::{Clock, Entropy, Secret, Unavailable};
use tokio::sync::oneshot;

use super::engine::{self, Argon2id, HashEngine, Input, SelfTestFailed};
use super::normal::{NewPassword, PresentedPassword};
use super::parameters::HashParameters;
use super::phc::{PasswordHash, SALT_LENGTH, TAG_LENGTH};
use super::queue::{Bounds, Job, Queue};

/// How passwords are hashed, and how much of the machine that may take.
#[derive(Clone, Debug)]
pub struct HashSettings {
    /// Costs of new hashes; weaker stored ones are reported for a rehash.
    pub parameters: HashParameters,
    /// Which implementation computes.
    pub engine: HashEngine,
    /// Threads. Memory is bounded by this many times the memory of one hash; a single hash of more memory (imported,
    /// 256 MiB at most) may come on top.
    pub workers: NonZero<usize>,
    /// How many may wait in line.
    pub queue: NonZero<usize>,
    /// How long the last in line may expect to wait.
    pub longest_wait: Duration,
    /// After how long without work a worker gives its arena back.
    pub idle: Duration,
}

impl Default for HashSettings {
    /// One worker a core, 512 in line for 2 s at most, arenas returned after 60 s.
    fn default() -> Self {
        Self {
            parameters: HashParameters::default(),
            engine: HashEngine::default(),
            workers: thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            queue: NonZero::<usize>::MIN.saturating_add(511),
            longest_wait: Duration::from_secs(2),
            idle: Duration::from_mins(1),
        }
    }
}

impl HashSettings {
    /// The same, with fewer workers where their arenas would take more than a quarter of `limit` bytes.
    #[must_use]
    pub fn within(mut self, limit: u64) -> Self {
        let arena = u64::from(self.parameters.memory_kib()) * 1024;
        let fitting = usize::try_from(limit / 4 / arena).unwrap_or(usize::MAX);
        self.workers = NonZero::new(fitting).map_or(NonZero::<usize>::MIN, |fitting| fitting.min(self.workers));
        self
    }
}

/// What a verification found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Verdict {
    /// The password is the one that was hashed.
    pub matches: bool,
    /// It matches, and a new hash of it would be stronger and in nothing weaker (A115).
    pub needs_rehash: bool,
}

/// What the workers are doing, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HashCounters {
    /// Waiting in line now.
    pub queued: usize,
    /// Being computed now.
    pub running: usize,
    /// Memory held in arenas now, in KiB.
    pub arena_kib: u64,
    /// Computed since the start.
    pub done: u64,
    /// Turned away since the start.
    pub shed: u64,
    /// Dropped in line since the start, because the caller had gone.
    pub cancelled: u64,
}

/// The workers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartFailed {
    /// Argon2id gave a wrong answer on this machine.
    #[error(transparent)]
    SelfTest(#[from] SelfTestFailed),
    /// The system gave no thread.
    #[error("a hash worker thread could not be started: {0}; check the process's limit of threads")]
    Thread(#[from] std::io::Error),
}

/// Hashes and verifies passwords on threads of its own. One for the process.
///
/// Dropped, it turns away who is in line and waits for the hashes that are being computed, some milliseconds.
pub struct HashWorkers {
    shared: Arc<Shared>,
    entropy: Arc<dyn Entropy>,
    /// What an unknown account's password is compared with: as much work as a known one's, and never equal.
    absent: PasswordHash,
    threads: Vec<thread::JoinHandle<()>>,
}

type MakeEngine = Box<dyn Fn() -> Box<dyn Argon2id> + Send + Sync>;

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    settings: HashSettings,
    clock: Arc<dyn Clock>,
    make: MakeEngine,
}

struct State {
    queue: Queue,
    arena_kib: u64,
    closed: bool,
}

impl HashWorkers {
    /// Tests the engine against known answers and the reference, then starts the threads.
    ///
    /// # Errors
    /// [`StartFailed`]: a wrong hash would lock everybody out or let somebody in, so there is no going on without.
    pub fn start(
        settings: HashSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Self>, StartFailed> {
        engine::self_test(settings.engine, &*entropy)?;
        let engine = settings.engine;
        Self::start_with(settings, clock, entropy, Box::new(move || engine.make()))
    }

    fn start_with(
        settings: HashSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        make: MakeEngine,
    ) -> Result<Arc<Self>, StartFailed> {
        let (mut salt, mut tag) = (vec![0; SALT_LENGTH], vec![0; TAG_LENGTH]);
        entropy.fill(&mut salt);
        entropy.fill(&mut tag);
        let absent = PasswordHash::new(settings.parameters, salt, Secret::new(tag));
        let queue = Queue::new(Bounds {
            jobs: settings.queue.get(),
            wait: settings.longest_wait,
            workers: settings.workers.get(),
            memory_kib: settings.parameters.memory_kib(),
        });
        let state = Mutex::new(State { queue, arena_kib: 0, closed: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new(), settings, clock, make });
        let mut workers = Self { shared, entropy, absent, threads: Vec::new() };
        for number in 0..workers.shared.settings.workers.get() {
            let shared = Arc::clone(&workers.shared);
            let thread = thread::Builder::new().name(format!("hash-{number}")).spawn(move || Worker::new(shared).run());
            workers.threads.push(thread?);
        }
        Ok(Arc::new(workers))
    }

    /// Hashes a new password under a fresh salt.
    ///
    /// # Errors
    /// [`Unavailable`] when the line is full or too slow, or no memory is left.
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, Unavailable> {
        self.hash_text(password.0).await
    }

    /// Hashes a password that has just been verified again, at today's costs.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn rehash(&self, verified: PresentedPassword) -> Result<PasswordHash, Unavailable> {
        self.hash_text(verified.0).await
    }

    async fn hash_text(&self, text: Secret<String>) -> Result<PasswordHash, Unavailable> {
        let mut salt = vec![0; SALT_LENGTH];
        self.entropy.fill(&mut salt);
        let parameters = self.shared.settings.parameters;
        let tag = self.tag(text, salt.clone(), parameters, TAG_LENGTH).await?;
        Ok(PasswordHash::new(parameters, salt, tag))
    }

    /// Whether `password` is the one that `hash` was made of.
    ///
    /// # Errors
    /// [`Unavailable`] when the line is full or too slow, or no memory is left: nothing is known about the password then.
    pub async fn verify(&self, password: PresentedPassword, hash: &PasswordHash) -> Result<Verdict, Unavailable> {
        let tag = self.tag(password.0, hash.salt().to_vec(), hash.parameters(), hash.tag_length()).await?;
        let matches = hash.proves(&tag);
        Ok(Verdict { matches, needs_rehash: matches && hash.outdated_under(self.shared.settings.parameters) })
    }

    /// Does the work of [`Self::verify`] for an account that does not exist or has no password, and never matches (A101).
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_absent(&self, password: PresentedPassword) -> Result<Verdict, Unavailable> {
        let verdict = self.verify(password, &self.absent).await;
        verdict.map(|_nobody| Verdict { matches: false, needs_rehash: false })
    }

    /// What the workers are doing now.
    pub fn counters(&self) -> HashCounters {
        let State { queue, arena_kib, .. } = &*self.shared.lock();
        HashCounters {
            queued: queue.len(),
            running: queue.running,
            arena_kib: *arena_kib,
            done: queue.done,
            shed: queue.shed,
            cancelled: queue.cancelled,
        }
    }

    /// Turns away who is in line and who comes from now on. Hashes that are being computed are finished and answered.
    pub fn shut_down(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.shared.changed.notify_all();
    }

    async fn tag(
        &self,
        password: Secret<String>,
        salt: Vec<u8>,
        parameters: HashParameters,
        tag_length: usize,
    ) -> Result<Secret<Vec<u8>>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job { password, salt, parameters, tag_length, reply })?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    fn enqueue(&self, job: Job) -> Result<(), Unavailable> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(closing());
        }
        state.queue.admit(job)?;
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

fn closing() -> Unavailable {
    Unavailable::new("the hash workers are shutting down")
}

impl Drop for HashWorkers {
    fn drop(&mut self) {
        self.shut_down();
        for thread in self.threads.drain(..) {
            // A worker catches the panics of its jobs; one that ended otherwise has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    shared: Arc<Shared>,
    engine: Box<dyn Argon2id>,
    /// What this worker has counted into the shared sum.
    counted_kib: u32,
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        let engine = (shared.make)();
        Self { shared, engine, counted_kib: 0 }
    }

    fn run(mut self) {
        lower_priority();
        while let Some(job) = self.next() {
            self.work(job);
        }
    }

    /// Waits for a job; gives the arena back if none comes for long. `None` at the end.
    fn next(&mut self) -> Option<Job> {
        let shared = Arc::clone(&self.shared);
        let idle = |state: &mut State| !state.closed && !state.queue.has_work();
        let mut state = shared.lock();
        while !state.closed {
            if let Some(job) = state.queue.take() {
                return Some(job);
            }
            if self.counted_kib == 0 {
                state = shared.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // One timed wait after each burst, in real time: it only gives memory back and decides nothing.
            let waited = shared.changed.wait_timeout_while(state, shared.settings.idle, idle);
            let (guard, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if waited.timed_out() {
                drop(state);
                self.engine.release();
                state = shared.lock();
                self.count_arena(&mut state);
            }
        }
        None
    }

    fn work(&mut self, job: Job) {
        let shared = Arc::clone(&self.shared);
        let oversize = job.parameters.memory_kib() > shared.settings.parameters.memory_kib();
        if oversize {
            self.engine.release();
        }
        let started = shared.clock.now();
        let computed = self.compute(&job);
        let took = computed.is_ok().then(|| shared.clock.now().since(started));
        if oversize {
            self.engine.release();
        }
        let mut state = shared.lock();
        self.count_arena(&mut state);
        state.queue.finish(job.parameters, took);
        drop(state);
        shared.changed.notify_one();
        // Nobody may be waiting any more; then the answer is of no use to anybody.
        let _ = job.reply.send(computed);
    }

    fn compute(&mut self, job: &Job) -> Result<Secret<Vec<u8>>, Unavailable> {
        let mut tag = vec![0; job.tag_length];
        let input = Input::new(job.password.expose().as_bytes(), &job.salt);
        match catch_unwind(AssertUnwindSafe(|| self.engine.compute(input, job.parameters, &mut tag))) {
            Ok(Ok(())) => Ok(Secret::new(tag)),
            Ok(Err(error)) => Err(Unavailable::new(format!("a password could not be hashed: {}", error.0))),
            Err(_panic) => {
                self.engine = (self.shared.make)();
                Err(Unavailable::new("a password could not be hashed: the engine panicked"))
            }
        }
    }

    fn count_arena(&mut self, state: &mut State) {
        let now = self.engine.arena_kib();
        state.arena_kib = state.arena_kib + u64::from(now) - u64::from(self.counted_kib);
        self.counted_kib = now;
    }
}

/// Lets everything else go first. Linux alone has a priority for each thread; elsewhere it would slow the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // Lowering is always allowed, and a system that forbids it all the same only loses the preference.
        let _ = rustix::process::setpriority_process(None, 10);
    }
}

#[cfg(test)]
mod tests;
