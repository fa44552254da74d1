//! Where log lines go and how they read.

use std::any::Any;
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogSettings};

/// Starts logging to standard error. Libraries below are heard from `warn` on.
pub(crate) fn start(settings: &LogSettings) {
    start_at(settings, settings.level.parse().expect("the settings table lists levels"));
}

/// Starts logging for a command, which answers for itself: errors alone are logged.
pub(crate) fn start_quietly(settings: &LogSettings) {
    start_at(settings, LevelFilter::ERROR);
}

fn start_at(settings: &LogSettings, level: LevelFilter) {
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("claviger", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process keeps the first one's log.
    let _ = match settings.format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
}

/// The place, and the message where it is a literal: a formatted one may quote a secret (A202).
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, message = literal(panic.payload()), "panic");
}

fn literal(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("a formatted message, withheld")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a202_a_formatted_panic_message_is_withheld() {
        let said = |act: fn()| literal(&*std::panic::catch_unwind(act).unwrap_err());
        assert_eq!(said(|| panic!("an invariant was broken")), "an invariant was broken");
        assert_eq!(said(|| panic!("{}", String::from("hunter2"))), "a formatted message, withheld");
    }
}
