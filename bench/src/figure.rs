//! What rounds found: rates, times, the ratio to the bare limit, and how much else went on meanwhile.

use core::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;

/// How far below its known value a bare limit may fall before the run says nothing.
const SHORTFALL: f64 = 0.85;
/// The processor on which the known values were measured (family and model of `/proc/cpuinfo`).
const KNOWN_PROCESSOR: (&str, &str, &str) = ("AuthenticAMD", "26", "2");

/// What one round of one program found.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Answers for each second of the program's CPU time; a figure that other jobs on the machine hardly touch.
    pub(crate) per_cpu_second: f64,
    /// Answers for each second of the clock.
    pub(crate) per_second: f64,
    /// Times of single answers, in nanoseconds.
    pub(crate) times: Histogram<u64>,
    /// How many cores everybody else used meanwhile.
    pub(crate) others: f64,
}

/// An empty record of times: three digits, up to a minute.
pub(crate) fn times() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("constant bounds are sound")
}

/// Which of the two rates a row is judged by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Work in one process: answers for each second of its CPU time.
    Cpu,
    /// Work that waits for disks or other processes: answers a second.
    Wall,
}

impl Rate {
    fn of(self, figure: &Figure) -> f64 {
        match self {
            Self::Cpu => figure.per_cpu_second,
            Self::Wall => figure.per_second,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Cpu => "for each second of CPU",
            Self::Wall => "a second",
        }
    }
}

/// Our server beside its bare limit: the two in turns, round by round.
pub(crate) struct Comparison {
    /// What is compared, in a line.
    pub(crate) title: String,
    /// By which rate.
    pub(crate) rate: Rate,
    /// Rounds of the bare program.
    pub(crate) bare: Vec<Figure>,
    /// Rounds of ours.
    pub(crate) ours: Vec<Figure>,
    /// What the bare program reached on a quiet machine of the known kind; nothing where it was never measured there.
    pub(crate) known: Option<f64>,
    /// What is aimed at.
    pub(crate) goal: Option<Goal>,
}

/// What is aimed at.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// A part of the bare limit.
    Ratio(f64),
    /// A rate, on a quiet machine of the known kind.
    Rate(f64),
}

impl Comparison {
    /// The median of the rounds' own ratios, with the least and the most.
    fn ratio(&self) -> Spread {
        let pairs = self.ours.iter().zip(&self.bare);
        Spread::of(pairs.map(|(ours, bare)| self.rate.of(ours) / self.rate.of(bare)).collect())
    }

    fn bare_rate(&self) -> Spread {
        Spread::of(self.bare.iter().map(|figure| self.rate.of(figure)).collect())
    }

    /// Whether the machine fell so far short of what it can do that the ratio says nothing.
    pub(crate) fn is_void(&self) -> bool {
        is_known_processor() && self.known.is_some_and(|known| self.bare_rate().median < known * SHORTFALL)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for (name, figures) in [("bare", &self.bare), ("ours", &self.ours)] {
            let rates = Spread::of(figures.iter().map(|figure| self.rate.of(figure)).collect());
            let wall = Spread::of(figures.iter().map(|figure| figure.per_second).collect());
            write!(f, "  {name}   {rates:>9.0} {}", self.rate.words())?;
            if self.rate == Rate::Cpu {
                write!(f, ", {:.0} a second", wall.median)?;
            }
            writeln!(f, "{}", Times(figures))?;
        }
        let ratio = self.ratio();
        write!(f, "  ratio  {ratio:>9.2}")?;
        let ours = Spread::of(self.ours.iter().map(|figure| self.rate.of(figure)).collect()).median;
        match self.goal {
            Some(Goal::Ratio(goal)) => write!(f, ", goal {goal:.2}")?,
            Some(Goal::Rate(goal)) => write!(f, "; {:.2} of the goal of {goal:.0} {}", ours / goal, self.rate.words())?,
            None => {}
        }
        let others = Spread::of(self.ours.iter().chain(&self.bare).map(|figure| figure.others).collect());
        writeln!(f, "; others used {others:.1} cores")?;
        if self.is_void() {
            let known = self.known.unwrap_or_default();
            writeln!(f, "  VOID: the bare program reached {known:.0} on a quiet machine of this kind")?;
        }
        Ok(())
    }
}

/// Rounds of ours alone, judged by their times.
pub(crate) struct Timing {
    pub(crate) title: String,
    pub(crate) rounds: Vec<Figure>,
    /// Quantile and the time that it must stay below.
    pub(crate) goal: (f64, Duration),
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let rates = Spread::of(self.rounds.iter().map(|figure| figure.per_second).collect());
        writeln!(f, "  ours   {rates:>9.0} a second{}", Times(&self.rounds))?;
        let (quantile, goal) = self.goal;
        let found = micros(together(&self.rounds).value_at_quantile(quantile));
        write!(f, "  goal   p{} below {:.0} us: {found:.1} us;", percent(quantile), goal.as_secs_f64() * 1e6)?;
        let others = Spread::of(self.rounds.iter().map(|figure| figure.others).collect());
        writeln!(f, " others used {others:.1} cores")
    }
}

/// How much later answers come without what makes them fast: the two in turns, round by round.
pub(crate) struct Later {
    pub(crate) title: String,
    pub(crate) with: Vec<Figure>,
    pub(crate) without: Vec<Figure>,
    /// By how much the 99th percentile may grow.
    pub(crate) goal: Duration,
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for (name, figures) in [("with", &self.with), ("without", &self.without)] {
            let rates = Spread::of(figures.iter().map(|figure| figure.per_second).collect());
            writeln!(f, "  {name:<8} {rates:>9.0} a second{}", Times(figures))?;
        }
        let (with, without) = (together(&self.with), together(&self.without));
        let at = |quantile| micros(without.value_at_quantile(quantile)) - micros(with.value_at_quantile(quantile));
        let goal = self.goal.as_secs_f64() * 1e6;
        write!(f, "  later    p50 {:+.1} us, p99 {:+.1} us, goal {goal:.0} us;", at(0.5), at(0.99))?;
        let others = Spread::of(self.with.iter().chain(&self.without).map(|figure| figure.others).collect());
        writeln!(f, " others used {others:.1} cores")
    }
}

/// The times of all rounds as text; nothing where none were taken.
struct Times<'a>(&'a [Figure]);

impl fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = together(self.0);
        if all.is_empty() {
            return Ok(());
        }
        for quantile in [0.5, 0.99, 0.999] {
            write!(f, ", p{} {:.1} us", percent(quantile), micros(all.value_at_quantile(quantile)))?;
        }
        Ok(())
    }
}

fn together(figures: &[Figure]) -> Histogram<u64> {
    let mut all = times();
    for figure in figures {
        all.add(&figure.times).expect("all have the same bounds");
    }
    all
}

/// Quantiles of times as text, in milliseconds.
pub(crate) fn millis(times: &Histogram<u64>) -> String {
    let at = |quantile| micros(times.value_at_quantile(quantile)) / 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, most {:.1} ms", at(0.5), at(0.99), at(0.999), at(1.0))
}

fn percent(quantile: f64) -> String {
    format!("{:.1}", quantile * 100.0).trim_end_matches(".0").to_owned()
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// A median with the least and the most.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        let median = format!("{:.digits$}", self.median);
        write!(f, "{median:>width$} ({:.digits$}-{:.digits$})", self.least, self.most, width = f.width().unwrap_or(0))
    }
}

/// What a round costs: the clock, the CPU time of one process, and that of the whole machine.
pub(crate) struct Meter {
    began: Instant,
    process: Option<u32>,
    cpu: Duration,
    own: Duration,
    machine: Duration,
}

impl Meter {
    /// Begins a round whose work is done by `process`, or by this one.
    pub(crate) fn begin(process: Option<u32>) -> anyhow::Result<Self> {
        let cpu = cpu(process)?;
        let own = cpu_of("self")?;
        let machine = machine_cpu()?;
        Ok(Self { began: now(), process, cpu, own, machine })
    }

    /// Ends the round, in which `times` were taken, `count` in number.
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 answers")]
    pub(crate) fn end(self, count: u64, times: Histogram<u64>) -> anyhow::Result<Figure> {
        let wall = self.began.elapsed().as_secs_f64();
        let spent = cpu(self.process)?.saturating_sub(self.cpu).as_secs_f64();
        let mut known = cpu_of("self")?.saturating_sub(self.own).as_secs_f64();
        if self.process.is_some() {
            known += spent;
        }
        let busy = machine_cpu()?.saturating_sub(self.machine).as_secs_f64();
        Ok(Figure {
            per_cpu_second: count as f64 / spent,
            per_second: count as f64 / wall,
            times,
            others: ((busy - known) / wall).max(0.0),
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn cpu(process: Option<u32>) -> anyhow::Result<Duration> {
    cpu_of(&process.map_or_else(|| "self".to_owned(), |id| id.to_string()))
}

/// User and system time of a process so far (proc(5), fields 14 and 15, in hundredths of a second).
fn cpu_of(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).context("no such process")?;
    let after = stat.rsplit_once(')').context("an unreadable /proc entry")?.1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The time for which the machine's cores were not idle so far.
fn machine_cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let ticks: Vec<u64> = fields.map(|field| field.parse().unwrap_or(0)).collect();
    // The fourth and the fifth are idling, and idling for a disk.
    let busy: u64 = ticks.iter().enumerate().filter(|(place, _)| ![3, 4].contains(place)).map(|(_, ticks)| ticks).sum();
    Ok(Duration::from_millis(busy * 10))
}

/// Whether the known values speak of this machine's kind of processor.
fn is_known_processor() -> bool {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |name: &str| {
        text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, v)| v.trim()))
    };
    let (vendor, family, model) = KNOWN_PROCESSOR;
    value("vendor_id") == Some(vendor) && value("cpu family") == Some(family) && value("model") == Some(model)
}
