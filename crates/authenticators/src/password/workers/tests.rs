//! The workers around engines whose every step a test holds in its hand.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use claviger_kernel::{ManualClock, SeededEntropy, Timestamp};
use tokio::task::JoinSet;

use super::super::engine::NotComputed;
use super::super::policy::PasswordPolicy;
use super::*;

/// A door before the computation, and what engines did behind it.
#[derive(Default)]
struct Gate {
    doors: Mutex<Doors>,
    moved: Condvar,
    computed: AtomicUsize,
    now_kib: AtomicU32,
    peak_kib: AtomicU32,
    #[cfg(target_os = "linux")]
    priority: AtomicI32,
}

#[derive(Default)]
struct Doors {
    entered: usize,
    let_go: usize,
    open: bool,
}

impl Gate {
    fn let_go(&self, count: usize) {
        self.doors.lock().unwrap().let_go += count;
        self.moved.notify_all();
    }

    fn open(&self) {
        self.doors.lock().unwrap().open = true;
        self.moved.notify_all();
    }
}

struct Gated {
    gate: Arc<Gate>,
    clock: ManualClock,
    arena_kib: u32,
}

impl Argon2id for Gated {
    fn compute(&mut self, input: Input<'_>, parameters: HashParameters, tag: &mut [u8]) -> Result<(), NotComputed> {
        let more = parameters.memory_kib().saturating_sub(self.arena_kib);
        self.arena_kib += more;
        let now = self.gate.now_kib.fetch_add(more, Ordering::SeqCst) + more;
        self.gate.peak_kib.fetch_max(now, Ordering::SeqCst);

        #[cfg(target_os = "linux")]
        self.gate.priority.store(rustix::process::getpriority_process(None).unwrap(), Ordering::SeqCst);

        let mut doors = self.gate.doors.lock().unwrap();
        doors.entered += 1;
        let turn = doors.entered;
        drop(self.gate.moved.wait_while(doors, |doors| !doors.open && doors.let_go < turn).unwrap());
        self.clock.advance(Duration::from_millis(500));
        self.gate.computed.fetch_add(1, Ordering::SeqCst);
        match input.password {
            b"panic at the engine" => panic!("as the test asked"),
            b"no memory for this" => Err(NotComputed("out of memory".to_owned())),
            password => {
                let sum = password.iter().fold(input.salt[0], |sum, byte| sum.wrapping_mul(31) ^ byte);
                tag.fill(sum);
                Ok(())
            }
        }
    }

    fn release(&mut self) {
        self.gate.now_kib.fetch_sub(self.arena_kib, Ordering::SeqCst);
        self.arena_kib = 0;
    }

    fn arena_kib(&self) -> u32 {
        self.arena_kib
    }
}

fn settings(workers: usize, queue: usize) -> HashSettings {
    HashSettings {
        parameters: HashParameters::insecure_for_tests(),
        workers: NonZero::new(workers).unwrap(),
        queue: NonZero::new(queue).unwrap(),
        idle: Duration::from_hours(1),
        ..HashSettings::default()
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_seconds(1_800_000_000))
}

fn real(settings: HashSettings) -> Arc<HashWorkers> {
    HashWorkers::start(settings, Arc::new(clock()), Arc::new(SeededEntropy::new(1))).unwrap()
}

fn gated(settings: HashSettings) -> (Arc<HashWorkers>, Arc<Gate>) {
    let (gate, clock) = (Arc::new(Gate::default()), clock());
    let (engine_gate, engine_clock) = (Arc::clone(&gate), clock.clone());
    let make = move || -> Box<dyn Argon2id> {
        Box::new(Gated { gate: Arc::clone(&engine_gate), clock: engine_clock.clone(), arena_kib: 0 })
    };
    let workers =
        HashWorkers::start_with(settings, Arc::new(clock), Arc::new(SeededEntropy::new(1)), Box::new(make)).unwrap();
    (workers, gate)
}

fn presented(text: &str) -> PresentedPassword {
    PresentedPassword::new(&text.into()).unwrap()
}

fn new(text: &str) -> NewPassword {
    PasswordPolicy::default().check(&text.into(), &[], true).unwrap()
}

fn stored(memory_kib: u32) -> PasswordHash {
    PasswordHash::parse(&format!("$argon2id$v=19$m={memory_kib},t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"))
        .unwrap()
}

/// Lets everything else run until `reached` is a fact.
async fn until(workers: &HashWorkers, reached: impl Fn(HashCounters) -> bool) {
    while !reached(workers.counters()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_password_verifies_against_its_hash_and_no_other_does() {
    let workers = real(settings(2, 100));
    let hash = workers.hash(new("violet tram 83 lanterns")).await.unwrap();
    let same = Verdict { matches: true, needs_rehash: false };
    let other = Verdict { matches: false, needs_rehash: false };
    assert_eq!(workers.verify(presented("violet tram 83 lanterns"), &hash).await, Ok(same));
    let read_back = PasswordHash::parse(&hash.to_string()).unwrap();
    assert_eq!(workers.verify(presented("violet tram 83 lanterns"), &read_back).await, Ok(same));
    assert_eq!(workers.verify(presented("violet tram 83 lantern"), &hash).await, Ok(other));
    assert_eq!(workers.verify(presented(""), &hash).await, Ok(other));
    assert_ne!(workers.hash(new("violet tram 83 lanterns")).await.unwrap().to_string(), hash.to_string());
}

#[tokio::test]
async fn a113_every_form_of_the_same_characters_verifies_and_nothing_is_cut() {
    let workers = real(settings(2, 100));
    for (chosen, typed, wrong) in [
        ("cafe\u{301} au lait 7h", "caf\u{e9} au lait 7h", "cafe au lait 7h"),
        ("nul\0byte\0inside", "nul\0byte\0inside", "nul"),
        ("ends with a space ", "ends with a space ", "ends with a space"),
        ("🗝️ under the 🪴 pot", "🗝️ under the 🪴 pot", "🗝️ under the 🪴 pots"),
    ] {
        let hash = workers.hash(new(chosen)).await.unwrap();
        assert!(workers.verify(presented(typed), &hash).await.unwrap().matches, "{typed:?}");
        assert!(!workers.verify(presented(wrong), &hash).await.unwrap().matches, "{wrong:?}");
    }
    let mut long: String = ('\u{4e00}'..).step_by(37).take(256).collect();
    let hash = workers.hash(new(&long)).await.unwrap();
    assert!(workers.verify(presented(&long), &hash).await.unwrap().matches);
    long.pop();
    assert!(!workers.verify(presented(&long), &hash).await.unwrap().matches, "the last of 256 counts");
}

#[tokio::test]
async fn a112_the_hash_is_over_the_password_alone() {
    let workers = real(settings(1, 100));
    let hash = workers.hash(new("violet tram 83 lanterns")).await.unwrap();
    let mut tag = [0; 32];
    let input = Input::new(b"violet tram 83 lanterns", hash.salt());
    HashEngine::Reference.make().compute(input, hash.parameters(), &mut tag).unwrap();
    assert!(hash.proves(&Secret::new(tag.to_vec())), "no name, id or prefix went in");
}

#[tokio::test]
async fn both_engines_verify_each_others_hashes() {
    let fast = real(settings(1, 10));
    let reference = real(HashSettings { engine: HashEngine::Reference, ..settings(1, 10) });
    let (left, right) = tokio::join!(fast.hash(new("violet tram 83")), reference.hash(new("violet tram 83")));
    assert!(reference.verify(presented("violet tram 83"), &left.unwrap()).await.unwrap().matches);
    assert!(fast.verify(presented("violet tram 83"), &right.unwrap()).await.unwrap().matches);
}

#[tokio::test]
async fn a115_a_weaker_hash_is_reported_for_rehash_only_when_the_password_matches() {
    let weak = real(settings(1, 10));
    let hash = weak.hash(new("violet tram 83")).await.unwrap();
    let strong = real(HashSettings { parameters: HashParameters::stored(128, 2, 1).unwrap(), ..settings(1, 10) });
    assert!(strong.verify(presented("violet tram 83"), &hash).await.unwrap().needs_rehash);
    assert!(!strong.verify(presented("violet tram 84"), &hash).await.unwrap().needs_rehash);
    let hash = strong.hash(new("violet tram 83")).await.unwrap();
    assert!(!weak.verify(presented("violet tram 83"), &hash).await.unwrap().needs_rehash, "never downwards");
}

#[tokio::test]
async fn a101_an_absent_account_costs_one_hash_like_a_present_one() {
    let (workers, gate) = gated(settings(1, 10));
    gate.open();
    let hash = workers.hash(new("violet tram 83")).await.unwrap();
    let work_of = |gate: &Gate| gate.computed.swap(0, Ordering::SeqCst);
    assert_eq!(work_of(&gate), 1);
    assert!(!workers.verify(presented("violet tram 84"), &hash).await.unwrap().matches);
    let for_a_known_account = work_of(&gate);
    assert!(!workers.verify_absent(presented("violet tram 84")).await.unwrap().matches);
    assert_eq!((for_a_known_account, work_of(&gate)), (1, 1));
    assert_eq!(workers.absent.parameters(), hash.parameters());
    assert_eq!((workers.absent.salt().len(), workers.absent.tag_length()), (hash.salt().len(), hash.tag_length()));
}

#[tokio::test]
async fn results_are_right_under_parallel_use() {
    let workers = real(settings(4, 1000));
    let mut hashes = JoinSet::new();
    for number in 0..60 {
        let workers = Arc::clone(&workers);
        hashes.spawn(async move {
            let text = format!("violet tram {number} lanterns");
            let hash = workers.hash(new(&text)).await.unwrap();
            let next = format!("violet tram {} lanterns", number + 1);
            let (right, wrong) =
                tokio::join!(workers.verify(presented(&text), &hash), workers.verify(presented(&next), &hash));
            right.unwrap().matches && !wrong.unwrap().matches
        });
    }
    assert!(hashes.join_all().await.into_iter().all(|right| right));
    let counters = workers.counters();
    assert_eq!((counters.done, counters.shed, counters.queued, counters.running), (180, 0, 0, 0));
}

#[tokio::test]
async fn a110_f10_a_thousand_at_once_take_the_memory_of_the_workers_and_the_overflow_is_shed_at_once() {
    let (workers, gate) = gated(settings(2, 64));
    let mut calls = JoinSet::new();
    for number in 0..1000 {
        let asked = Arc::clone(&workers);
        // Every tenth account was imported with a costlier hash.
        let hash = stored(if number % 10 == 0 { 4096 } else { 64 });
        calls.spawn(async move { asked.verify(presented("violet tram 83"), &hash).await });
        if number == 1 {
            until(&workers, |counters| counters.running == 2).await;
        }
    }
    for _ in 0..1000 - 2 - 64 {
        let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(refused.wait(), Duration::from_secs(1));
    }
    gate.open();
    assert!(calls.join_all().await.into_iter().all(|answer| answer.is_ok()), "who was admitted is answered");
    let counters = workers.counters();
    assert_eq!((counters.done, counters.shed), (66, 934));
    assert!(gate.peak_kib.load(Ordering::SeqCst) <= 2 * 64 + 4096, "two arenas, and one costly hash at a time");
    assert!(counters.arena_kib <= 2 * 64, "the arena of a costly hash is not kept");
}

#[test]
fn f10_a_memory_limit_leaves_as_many_workers_as_fit_into_a_quarter_of_it() {
    let many = HashSettings { workers: NonZero::new(64).unwrap(), ..HashSettings::default() };
    let within = |limit: u64| many.clone().within(limit).workers.get();
    assert_eq!(within(512 << 20), 6, "six arenas of 19 MiB in 128 MiB");
    assert_eq!(within(1), 1);
    assert_eq!(within(u64::MAX), 64);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn workers_give_way_to_everything_else() {
    let (workers, gate) = gated(settings(1, 10));
    gate.open();
    assert!(workers.verify_absent(presented("violet tram 83")).await.is_ok());
    let ours = rustix::process::getpriority_process(None).unwrap();
    assert_eq!(gate.priority.load(Ordering::SeqCst), 10.max(ours));
}

#[tokio::test]
async fn a110_the_line_is_shed_by_expected_wait_and_says_when_to_come_back() {
    let (workers, gate) = gated(settings(1, 100));
    gate.open();
    assert!(workers.hash(new("violet tram 83")).await.is_ok(), "the first hash took 0.5 s by the clock");
    gate.doors.lock().unwrap().open = false;
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let workers = Arc::clone(&workers);
        calls.spawn(async move { workers.verify_absent(presented("violet tram 83")).await });
    }
    let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.wait(), Duration::from_secs(3), "five of 0.5 s are ahead: 2.5 s, rounded up");
    gate.open();
    assert_eq!(calls.join_all().await.len(), 5);
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_start_cancels_the_job() {
    let (workers, gate) = gated(settings(1, 10));
    let mut stays = JoinSet::new();
    for _ in 0..2 {
        let workers = Arc::clone(&workers);
        stays.spawn(async move { workers.verify_absent(presented("violet tram 83")).await });
    }
    let leaving = Arc::clone(&workers);
    let leaves = tokio::spawn(async move { leaving.verify_absent(presented("violet tram 83")).await });
    until(&workers, |counters| (counters.running, counters.queued) == (1, 2)).await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(stays.join_all().await.len(), 2);
    assert!(workers.verify_absent(presented("violet tram 83")).await.is_ok(), "the line moves on");
    let counters = workers.counters();
    assert_eq!((counters.done, counters.cancelled), (3, 1));
    assert_eq!(gate.computed.load(Ordering::SeqCst), 3, "nobody computed for the one who left");
}

#[tokio::test]
async fn a_panic_or_a_want_of_memory_fails_its_own_job_alone() {
    let (workers, gate) = gated(settings(1, 10));
    gate.open();
    let reason = |answer: Result<Verdict, Unavailable>| answer.unwrap_err().reason().to_owned();
    assert!(reason(workers.verify_absent(presented("panic at the engine")).await).contains("panicked"));
    assert!(reason(workers.verify_absent(presented("no memory for this")).await).contains("out of memory"));
    assert!(workers.verify_absent(presented("violet tram 83")).await.is_ok());
    let counters = workers.counters();
    assert_eq!((counters.done, counters.running, counters.queued), (1, 0, 0));
}

#[tokio::test]
async fn an_arena_is_made_at_first_use_and_kept_while_there_is_work() {
    let workers = real(settings(1, 10));
    assert_eq!(workers.counters().arena_kib, 0);
    for _ in 0..3 {
        assert!(workers.verify_absent(presented("violet tram 83")).await.is_ok());
        assert_eq!(workers.counters().arena_kib, 64);
    }
}

#[tokio::test]
async fn an_idle_worker_gives_its_arena_back_and_works_on_when_asked() {
    let workers = real(HashSettings { idle: Duration::ZERO, ..settings(1, 10) });
    for _ in 0..3 {
        assert!(workers.verify_absent(presented("violet tram 83")).await.is_ok());
        until(&workers, |counters| counters.arena_kib == 0).await;
    }
}

#[tokio::test]
async fn shutting_down_answers_who_waits_and_ends_the_threads() {
    let (workers, gate) = gated(settings(1, 10));
    let (first, second) = (Arc::clone(&workers), Arc::clone(&workers));
    let running = tokio::spawn(async move { first.verify_absent(presented("violet tram 83")).await });
    let waiting = tokio::spawn(async move { second.verify_absent(presented("violet tram 83")).await });
    until(&workers, |counters| (counters.running, counters.queued) == (1, 1)).await;
    workers.shut_down();
    gate.let_go(1);
    let answers = [running.await.unwrap(), waiting.await.unwrap()];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "what was being computed is finished");
    let late = workers.verify_absent(presented("violet tram 83")).await.unwrap_err();
    assert!(late.reason().contains("shutting down"));
    let shared = Arc::downgrade(&workers.shared);
    drop(workers);
    assert!(shared.upgrade().is_none(), "no thread is left that holds it");
}
