//! What is logged while a test listens.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Once};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Does `work` and gives the lines that it logged, of what it did in this task.
pub(super) async fn heard<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    static DEAF: Once = Once::new();
    // What other tests log before anybody listens would otherwise count as never listened to, for the whole process.
    DEAF.call_once(|| tracing::subscriber::set_global_default(Ear(None)).expect("nobody else listens for everybody"));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let done = work.with_subscriber(Ear(Some(Arc::clone(&lines)))).await;
    let lines = std::mem::take(&mut *lines.lock());
    (done, lines)
}

/// Writes down what it hears; or hears nothing and is deaf to nothing.
struct Ear(Option<Arc<Mutex<Vec<String>>>>);

impl Subscriber for Ear {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, about: &Metadata<'_>) -> bool {
        self.0.is_some() && about.target().starts_with("claviger")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        if let Some(lines) = &self.0 {
            lines.lock().push(line.0);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

/// The failures that `lines` tell of, and after how many the outage was over.
pub(super) fn told(lines: &[String], again: &str) -> (Vec<usize>, Vec<usize>) {
    let count = |line: &String| -> usize {
        let number = line.split("failures=").nth(1).unwrap_or_else(|| panic!("no number of failures: {line}"));
        number.split(' ').next().unwrap().parse().unwrap()
    };
    let (end, outage): (Vec<&String>, Vec<&String>) = lines.iter().partition(|line| line.contains(again));
    (outage.into_iter().map(count).collect(), end.into_iter().map(count).collect())
}
