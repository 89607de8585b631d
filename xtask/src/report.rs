//! How a measuring subcommand ends: a table for people, then one line of JSON for scripts.
//!
//! Figures are named groups (`ours`, `peers`, `limit`, `ratio`) of named numbers with a unit in the name
//! (`deliveries_per_second`, `peak_rss_mb`); checks against goals are counted as passed or failed.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

/// What was measured and whether it reached its goals.
pub struct Report {
    name: String,
    groups: Vec<(Group, String, Value)>,
    checks: Vec<(String, bool)>,
}

/// Which side of the comparison a figure stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What Weir did.
    Ours,
    /// What somebody else's program did with the same work.
    Peers,
    /// What the machine or the far side allows at most.
    Limit,
    /// Ours divided by a peer or a limit.
    Ratio,
}

impl Group {
    const ALL: [Self; 4] = [Self::Ours, Self::Peers, Self::Limit, Self::Ratio];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peers => "peers",
            Self::Limit => "limit",
            Self::Ratio => "ratio",
        }
    }
}

impl Report {
    /// An empty report; `name` is the subcommand's, such as `bench flagship`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            groups: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Adds one figure. `key` carries its unit last.
    pub fn figure(&mut self, group: Group, key: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.groups.push((group, key.into(), value.into()));
        self
    }

    /// Counts one goal: `sentence` says what was asked.
    pub fn check(&mut self, sentence: impl Into<String>, passed: bool) -> &mut Self {
        self.checks.push((sentence.into(), passed));
        self
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let width = self.groups.iter().map(|(_, key, _)| key.len()).max().unwrap_or(0);
        let mut out = format!("{}\n", self.name);
        for (group, key, value) in &self.groups {
            out += &format!("  {:<6} {key:<width$}  {value}\n", group.name());
        }
        for (sentence, passed) in &self.checks {
            out += &format!("  {:<6} {sentence}\n", if *passed { "ok" } else { "FAILED" });
        }
        out
    }

    /// The one line for scripts; groups without figures are left out.
    pub fn line(&self) -> String {
        let mut line = Map::new();
        line.insert("name".to_owned(), json!(self.name));
        for group in Group::ALL {
            let figures: Map<String, Value> = self
                .groups
                .iter()
                .filter(|(of, _, _)| *of == group)
                .map(|(_, key, value)| (key.clone(), value.clone()))
                .collect();
            if !figures.is_empty() {
                line.insert(group.name().to_owned(), Value::Object(figures));
            }
        }
        line.insert("passed".to_owned(), json!(self.passed()));
        line.insert("failed".to_owned(), json!(self.checks.len() - self.passed()));
        Value::Object(line).to_string()
    }

    /// Prints the table and, last, the line; the exit code is 0 only when no check failed.
    pub fn finish(&self) -> ExitCode {
        print!("{}", self.table());
        println!("{}", self.line());
        if self.passed() == self.checks.len() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn passed(&self) -> usize {
        self.checks.iter().filter(|(_, passed)| *passed).count()
    }
}
