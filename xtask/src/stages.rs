//! A run's stages and how long each took.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// The stages of one run, in order.
#[derive(Default)]
pub(crate) struct Stages {
    rows: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// Runs one stage under its name. Its time counts whether or not it succeeds.
    pub(crate) fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("== {name}");
        let started = now();
        let result = stage();
        self.rows.push((name, started.elapsed()));
        result.with_context(|| format!("stage {name}"))
    }

    /// Prints minutes per stage and in all.
    pub(crate) fn print(&self) {
        println!("== minutes per stage");
        for (name, took) in &self.rows {
            println!("{:>8.2}  {name}", minutes(*took));
        }
        println!("{:>8.2}  in all", minutes(self.rows.iter().map(|(_, took)| *took).sum()));
    }
}

fn minutes(took: Duration) -> f64 {
    took.as_secs_f64() / 60.0
}

#[allow(clippy::disallowed_methods, reason = "what a developer waits for is measured by the machine's own clock")]
fn now() -> Instant {
    Instant::now()
}
