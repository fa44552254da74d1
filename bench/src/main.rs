//! Puts our server beside a bare program that does only the work that cannot be avoided, under the same load, in turns,
//! and prints the ratio of requests for each second of server CPU time: a figure that other jobs on the machine hardly
//! touch. `cargo xtask bench` runs it.

mod bare;
mod load;
mod ours;

use anyhow::{Context as _, bail};

/// Rounds of each program; the median counts.
const ROUNDS: usize = 5;
/// Clients with keep-alive connections, each with one request under way.
const CONNECTIONS: usize = 32;

#[allow(clippy::print_stdout, reason = "the figures are what the program is for")]
fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    match std::env::args().nth(1).as_deref() {
        Some("bare") => runtime.block_on(bare::serve()),
        Some("ours") => runtime.block_on(ours::serve()),
        None => runtime.block_on(async {
            let mut bare = load::Program::start("bare").await?;
            let mut ours = load::Program::start("ours").await?;
            let (mut limits, mut figures) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                limits.push(bare.round(CONNECTIONS).await?);
                figures.push(ours.round(CONNECTIONS).await?);
            }
            let (limit, figure) = (load::median(limits), load::median(figures));
            println!("client credentials, ES256, {CONNECTIONS} connections, median of {ROUNDS} rounds");
            println!("  bare program  {limit}");
            println!("  our server    {figure}");
            println!("  ratio by CPU  {:.2}", figure.per_cpu_second / limit.per_cpu_second);
            Ok(())
        }),
        Some(other) => bail!("{other}: there is no such program; run without arguments"),
    }
}
