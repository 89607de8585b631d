//! Long work done on request: its states, and what a person may ask of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OperationState")]
pub enum State {
    Running,
    /// Stands still until somebody lets it go on.
    Paused,
    /// Ended by a person; what was done stays done.
    Cancelled,
    Done,
    /// Ended by a fault; what was done stays done.
    Failed,
}

/// What a person asks of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Pause,
    Resume,
    Cancel,
}

impl State {
    /// The name used in API and console.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Paused => "paused",
            State::Cancelled => "cancelled",
            State::Done => "done",
            State::Failed => "failed",
        }
    }

    /// Nothing follows any more.
    pub fn is_ended(self) -> bool {
        matches!(self, State::Cancelled | State::Done | State::Failed)
    }
}

impl Ask {
    /// `paused`.
    pub fn word(self) -> &'static str {
        match self {
            Ask::Pause => "paused",
            Ask::Resume => "resumed",
            Ask::Cancel => "cancelled",
        }
    }
}

/// The state after it, which is the same where it is already so; `None` where it cannot be.
pub fn next(state: State, ask: Ask) -> Option<State> {
    match (state, ask) {
        (State::Running | State::Paused, Ask::Pause) => Some(State::Paused),
        (State::Running | State::Paused, Ask::Resume) => Some(State::Running),
        (State::Running | State::Paused | State::Cancelled, Ask::Cancel) => Some(State::Cancelled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_wish_is_decided() {
        for (state, expected) in [
            (State::Running, "paused running cancelled"),
            (State::Paused, "paused running cancelled"),
            (State::Cancelled, "- - cancelled"),
            (State::Done, "- - -"),
            (State::Failed, "- - -"),
        ] {
            let found: Vec<&str> = [Ask::Pause, Ask::Resume, Ask::Cancel]
                .into_iter()
                .map(|ask| next(state, ask).map_or("-", State::name))
                .collect();
            assert_eq!(found.join(" "), expected, "{state:?}");
        }
    }
}
