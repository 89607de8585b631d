//! The life of a task: its states and the one function that says which may follow which.

use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Stored, waiting for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Parked until something it needs is there; holds no worker.
    Waiting,
    /// Failed for a reason that may pass; has a time at which it is tried again. Blocks its key.
    Retrying,
    /// Delivered, or everything asked of it done.
    Done,
    /// Ended without a delivery, for a reason that is not a failure.
    Skipped,
    /// Attempts used up or pointless. Stays live until a person or a later success resolves it.
    Dead,
    /// Ended by a person.
    Cancelled,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Queued,
        State::Running,
        State::Waiting,
        State::Retrying,
        State::Done,
        State::Skipped,
        State::Dead,
        State::Cancelled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Waiting => "waiting",
            State::Retrying => "retrying",
            State::Done => "done",
            State::Skipped => "skipped",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
        }
    }

    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Finished tasks never change and live in the day files.
    pub fn is_finished(self) -> bool {
        matches!(self, State::Done | State::Skipped | State::Cancelled)
    }

    /// A task in one of these states holds back later tasks of its key.
    pub fn blocks_key(self) -> bool {
        matches!(
            self,
            State::Queued | State::Running | State::Waiting | State::Retrying
        )
    }

    /// A run with a task in one of these states is not settled.
    pub fn unsettles_run(self) -> bool {
        matches!(self, State::Queued | State::Running | State::Retrying)
    }
}

/// What can happen to a task. Everything that decides on these (retry, order, dependencies) is elsewhere in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A worker takes it.
    Lease,
    /// Something it needs is missing.
    Park,
    /// What it waited for may be there.
    Wake,
    Succeed,
    /// A step ended it without a failure.
    Skip,
    /// A failure that may pass; will be tried again at a time.
    Postpone,
    /// A failure that will not pass, or the attempts are used up.
    Bury,
    /// The process that held the lease is gone, or the lease is given back untouched.
    Recover,
    /// A newer version of its key arrived.
    Supersede,
    /// A person: try again now.
    PersonRetry,
    /// A person: leave it undone.
    PersonSkip,
    /// A person: stop it.
    PersonCancel,
    /// A later success of the same key made a dead task pointless.
    Resolve,
    /// The group it was collected into is closed: it goes on within the task made of that.
    Merge,
}

impl Event {
    pub const ALL: [Event; 14] = [
        Event::Lease,
        Event::Park,
        Event::Wake,
        Event::Succeed,
        Event::Skip,
        Event::Postpone,
        Event::Bury,
        Event::Recover,
        Event::Supersede,
        Event::PersonRetry,
        Event::PersonSkip,
        Event::PersonCancel,
        Event::Resolve,
        Event::Merge,
    ];
}

/// The state after the event, or `None` where the event cannot happen in that state; the caller then leaves the task as
/// it is and says so.
pub fn next(state: State, event: Event) -> Option<State> {
    use Event as E;
    use State as S;
    match (state, event) {
        (S::Queued | S::Retrying, E::Lease) => Some(S::Running),
        // A dependency is looked at before the first attempt (queued) or asked for by a reference (running).
        (S::Queued | S::Running, E::Park) => Some(S::Waiting),
        (S::Waiting, E::Wake) => Some(S::Queued),
        (S::Running, E::Succeed) => Some(S::Done),
        (S::Running, E::Skip) => Some(S::Skipped),
        (S::Running, E::Postpone) => Some(S::Retrying),
        (S::Running | S::Waiting, E::Bury) => Some(S::Dead),
        (S::Running, E::Recover) => Some(S::Queued),
        (S::Queued | S::Waiting | S::Retrying, E::Supersede) => Some(S::Skipped),
        (S::Dead | S::Retrying | S::Waiting, E::PersonRetry) => Some(S::Queued),
        (S::Dead | S::Queued | S::Retrying | S::Waiting, E::PersonSkip) => Some(S::Skipped),
        (S::Dead | S::Queued | S::Retrying | S::Waiting, E::PersonCancel) => Some(S::Cancelled),
        (S::Dead, E::Resolve) => Some(S::Skipped),
        (S::Waiting, E::Merge) => Some(S::Done),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line a state, in the order of `Event::ALL`: L(ease) P(ark) W(ake) S(ucceed) K(skip) O(postpone) B(ury)
    /// R(ecover) U(supersede) r(etry) s(kip) c(ancel) V(resolve)
    /// M(erge). `.` where the event cannot happen.
    const TABLE: &str = "
        queued     running waiting . . . . . . skipped . skipped cancelled . .
        running    . waiting . done skipped retrying dead queued . . . . . .
        waiting    . . queued . . . dead . skipped queued skipped cancelled . done
        retrying   running . . . . . . . skipped queued skipped cancelled . .
        done       . . . . . . . . . . . . . .
        skipped    . . . . . . . . . . . . . .
        dead       . . . . . . . . . queued skipped cancelled skipped .
        cancelled  . . . . . . . . . . . . . .
    ";

    #[test]
    fn every_pair_of_state_and_event_is_decided_by_the_table() {
        let mut states = 0;
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let state = State::from_name(words.next().expect("a state")).expect("a known state");
            states += 1;
            for event in Event::ALL {
                let expected = match words.next().expect("a word for each event") {
                    "." => None,
                    name => Some(State::from_name(name).expect("a known state")),
                };
                assert_eq!(next(state, event), expected, "{state:?} + {event:?}");
            }
        }
        assert_eq!(states, State::ALL.len());
    }
}
