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
pub enum Control {
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

impl Control {
    /// `paused`.
    pub fn word(self) -> &'static str {
        match self {
            Control::Pause => "paused",
            Control::Resume => "resumed",
            Control::Cancel => "cancelled",
        }
    }
}

/// The state after it, which is the same where it is already so; `None` where it cannot be.
pub fn next(state: State, control: Control) -> Option<State> {
    match (state, control) {
        (State::Running | State::Paused, Control::Pause) => Some(State::Paused),
        (State::Running | State::Paused, Control::Resume) => Some(State::Running),
        (State::Running | State::Paused | State::Cancelled, Control::Cancel) => Some(State::Cancelled),
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
            let found: Vec<&str> = [Control::Pause, Control::Resume, Control::Cancel]
                .into_iter()
                .map(|control| next(state, control).map_or("-", State::name))
                .collect();
            assert_eq!(found.join(" "), expected, "{state:?}");
        }
    }
}
