//! Measures both Argon2id implementations, alone and in parallel, with the arena kept and made anew:
//! `cargo run --release -p claviger-authenticators --example hash_rate [ROUNDS]`. Figures are medians (least-most) of
//! interleaved rounds, in hashes a second of CPU time of the hashing threads: what they would reach on cores of their own.
//! The rate by the clock on the wall stands beside it and says how much of the machine others took meanwhile.
#![allow(clippy::print_stdout, reason = "a measuring program")]
#![allow(clippy::disallowed_methods, reason = "measures real time, and decides nothing by it")]

use std::thread;
use std::time::{Duration, Instant};

const COSTS: [(u32, u32); 3] = [(19_456, 2), (47_104, 1), (65_536, 3)];
const SLICE: Duration = Duration::from_millis(800);

type Hash = Box<dyn FnMut(&[u8])>;
type Make = fn(u32, u32) -> Hash;
const VARIANTS: [(&str, Make); 4] = [
    ("argon2-rust, kept", fast_kept),
    ("argon2-rust, fresh", fast_fresh),
    ("argon2 (RustCrypto), kept", reference_kept),
    ("argon2 (RustCrypto), fresh", reference_fresh),
];

fn main() {
    let rounds: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    println!("vector unit of argon2-rust: {}", argon2_rust::detected_backend());
    for (memory, passes) in COSTS {
        for workers in [1, thread::available_parallelism().map_or(1, std::num::NonZero::get)] {
            let mut rates = vec![Vec::new(); VARIANTS.len()];
            for _ in 0..rounds {
                for (place, (_, make)) in VARIANTS.iter().enumerate() {
                    rates[place].push(rate(*make, memory, passes, workers));
                }
            }
            for ((name, _), mut rates) in VARIANTS.iter().zip(rates) {
                rates.sort_by(|left, right| left.1.total_cmp(&right.1));
                let (least, median, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
                println!(
                    "m={memory} t={passes} workers={workers} {name}: {:.1}/s ({:.1}-{:.1}), {:.1}/s by the wall",
                    median.1, least.1, most.1, median.0
                );
            }
        }
    }
}

/// Hashes a second of wall time, and of CPU time of the threads that hashed.
fn rate(make: Make, memory: u32, passes: u32, workers: usize) -> (f64, f64) {
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            thread::spawn(move || {
                let mut hash = make(memory, passes);
                hash(b"the first makes the arena");
                let (start, cpu, mut count) = (Instant::now(), cpu_time(), 0u32);
                while start.elapsed() < SLICE {
                    hash(b"violet tram 83 lanterns");
                    count += 1;
                }
                let (wall, cpu) = (start.elapsed(), cpu_time().saturating_sub(cpu));
                (f64::from(count) / wall.as_secs_f64(), f64::from(count) / cpu.as_secs_f64())
            })
        })
        .collect();
    let rates = threads.into_iter().map(|thread| thread.join().expect("a hashing thread does not panic"));
    rates.fold((0.0, 0.0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1))
}

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or_default())
}

fn fast(memory: u32, passes: u32) -> argon2_rust::Argon2 {
    let memory = argon2_rust::params::Memory::kib(memory.into());
    let params = argon2_rust::Params::builder().memory(memory).passes(passes).build().expect("sound costs");
    argon2_rust::Argon2::new(argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13, params)
}

fn fast_kept(memory: u32, passes: u32) -> Hash {
    let mut hasher = fast(memory, passes).hasher();
    Box::new(move |password| hasher.hash_into(password, b"0123456789abcdef", &mut [0; 32]).expect("memory is left"))
}

fn fast_fresh(memory: u32, passes: u32) -> Hash {
    let argon2 = fast(memory, passes);
    Box::new(move |password| argon2.hash_into(password, b"0123456789abcdef", &mut [0; 32]).expect("memory is left"))
}

fn reference(memory: u32, passes: u32) -> argon2::Argon2<'static> {
    let params = argon2::Params::new(memory, passes, 1, Some(32)).expect("sound costs");
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
}

fn reference_kept(memory: u32, passes: u32) -> Hash {
    let argon2 = reference(memory, passes);
    let mut arena = vec![argon2::Block::new(); argon2.params().block_count()];
    Box::new(move |password| {
        argon2
            .hash_password_into_with_memory(password, b"0123456789abcdef", &mut [0; 32], &mut arena)
            .expect("sound costs");
        arena.fill(argon2::Block::new());
    })
}

fn reference_fresh(memory: u32, passes: u32) -> Hash {
    let argon2 = reference(memory, passes);
    Box::new(move |password| {
        argon2.hash_password_into(password, b"0123456789abcdef", &mut [0; 32]).expect("memory is left");
    })
}
