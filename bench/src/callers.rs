//! Callers within this process, each with one call under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::figure::{Figure, Meter, now, times};

/// Uniform draws that cost next to nothing.
pub(crate) struct Draw(u64);

impl Draw {
    /// Seeds that lie side by side must not give numbers that do.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % end
    }
}

/// Callers so far: each draws numbers of its own, and no round repeats those of the one before.
static SEED: AtomicU64 = AtomicU64::new(1);

/// Has `callers` call again and again for one round, each time with a number below `below`.
pub(crate) async fn round<F>(
    callers: u64,
    span: Duration,
    below: u64,
    call: impl Fn(u64) -> F + Send + Sync + Clone + 'static,
) -> anyhow::Result<Figure>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let meter = Meter::begin(None)?;
    let end = now() + span;
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (call, seed) = (call.clone(), SEED.fetch_add(1, Ordering::Relaxed));
            tokio::spawn(async move {
                let (mut draw, mut times) = (Draw::new(seed), times());
                loop {
                    let began = now();
                    if began > end {
                        return Ok::<_, anyhow::Error>(times);
                    }
                    call(draw.below(below)).await?;
                    times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
                    tokio::task::consume_budget().await;
                }
            })
        })
        .collect();
    let mut all = times();
    for task in tasks {
        all.add(task.await??)?;
    }
    meter.end(all.len(), all)
}
