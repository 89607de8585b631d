//! Progress of routes: bars on a terminal, a plain line now and then elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use weir_engine::{RouteStatus, Status};

use crate::output::{Output, is_terminal};

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how routes come along.
pub(crate) struct Progress {
    output: Output,
    bars: Option<Bars>,
    last_line: Instant,
    said: String,
}

struct Bars {
    all: MultiProgress,
    by_route: BTreeMap<String, ProgressBar>,
}

impl Progress {
    pub(crate) fn new(output: Output) -> Progress {
        let bars = is_terminal().then(|| Bars {
            all: MultiProgress::new(),
            by_route: BTreeMap::new(),
        });
        Progress {
            output,
            bars,
            last_line: Instant::now(),
            said: String::new(),
        }
    }

    /// Shows the routes for which `shown` says yes.
    pub(crate) fn show(&mut self, status: &Status, shown: impl Fn(&str) -> bool) {
        let routes = status.routes.iter().filter(|(name, _)| shown(name));
        if let Some(bars) = &mut self.bars {
            for (name, route) in routes {
                bars.show(name, route);
            }
            return;
        }
        if self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let words: Vec<String> = routes
            .map(|(name, route)| format!("{name} {}", words(route)))
            .collect();
        let line = words.join(" · ");
        if line != self.said {
            self.output.say(&line);
            self.said = line;
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some(bars) = self.bars.take() {
            for bar in bars.by_route.values() {
                bar.finish_and_clear();
            }
        }
    }
}

impl Bars {
    fn show(&mut self, name: &str, route: &RouteStatus) {
        let bar = self.by_route.entry(name.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{prefix:14} {bar:30} {pos}/{len} {msg}")
                .expect("the template is written above");
            self.all
                .add(ProgressBar::new(0).with_style(style).with_prefix(name.to_owned()))
        });
        bar.set_length(route.tasks_made.max(route.delivered + route.skipped));
        bar.set_position(route.delivered + route.skipped);
        bar.set_message(words(route));
    }
}

fn words(route: &RouteStatus) -> String {
    let mut words = vec![format!("{} delivered", route.delivered)];
    let counts = [
        (route.skipped, "skipped"),
        (route.queued + route.running, "on the way"),
        (route.waiting, "waiting"),
        (route.retrying, "retrying"),
        (route.dead, "dead"),
    ];
    words.extend(
        counts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{n} {word}")),
    );
    if route.reading {
        words.push(format!("reading, {} rows", route.rows_read));
    }
    if let Some(reason) = &route.paused {
        words.push(format!("paused: {reason}"));
    }
    words.join(", ")
}
