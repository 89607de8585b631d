//! Order per key: which task of a route may run next.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::TaskId;
use crate::task::State;

/// What the order needs to know of a live task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub task: TaskId,
    pub key: String,
    /// Order of storing; also the version of the key.
    pub sequence: i64,
    pub state: State,
    /// For a retrying task: when it may run again.
    pub due: Option<Timestamp>,
    /// A journalled effect exists, so a newer version must wait instead of replacing it.
    pub has_effect: bool,
    /// It waits in the buffer of a collecting step, and holds back nobody.
    pub is_aside: bool,
}

/// The live tasks of one route by key. Within it two tasks of one key never run at once nor overtake each other. Memory:
/// about 200 bytes a live task, bounded by the route's queue limits.
#[derive(Debug, Default)]
pub struct Keys {
    entries: HashMap<TaskId, Entry>,
    by_key: HashMap<String, BTreeMap<i64, TaskId>>,
    /// Heads of their key that may run now, in order of storing.
    ready: BTreeSet<(i64, TaskId)>,
    /// Heads of their key that may run later.
    due: BTreeSet<(Timestamp, TaskId)>,
    counts: BTreeMap<State, usize>,
    /// Queued tasks that stand behind a waiting one of their key, by key; and how many that are.
    behind: HashMap<String, usize>,
    behind_count: usize,
}

impl Keys {
    /// Adds a live task, or gives a known one its new state.
    pub fn put(&mut self, entry: Entry) {
        self.detach(&entry.task);
        let (key, task) = (entry.key.clone(), entry.task);
        *self.counts.entry(entry.state).or_default() += 1;
        self.by_key
            .entry(key.clone())
            .or_default()
            .insert(entry.sequence, task);
        self.entries.insert(task, entry);
        self.refresh(&key);
    }

    /// Takes an ended task out; the next of its key moves up.
    pub fn remove(&mut self, task: &TaskId) -> Option<Entry> {
        let entry = self.detach(task)?;
        if let Some(tasks) = self.by_key.get_mut(&entry.key) {
            tasks.remove(&entry.sequence);
            if tasks.is_empty() {
                self.by_key.remove(&entry.key);
            }
        }
        self.refresh(&entry.key);
        Some(entry)
    }

    pub fn get(&self, task: &TaskId) -> Option<&Entry> {
        self.entries.get(task)
    }

    /// Up to `limit` tasks that may run at `now`, oldest first. The caller leases them and says so with [`Keys::put`].
    pub fn ready(&mut self, limit: usize, now: Timestamp) -> Vec<TaskId> {
        while let Some((at, task)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.remove(&(at, task));
            if let Some(entry) = self.entries.get(&task) {
                self.ready.insert((entry.sequence, task));
            }
        }
        self.ready.iter().take(limit).map(|(_, task)| *task).collect()
    }

    /// When the next retrying task comes due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn count(&self, state: State) -> usize {
        self.counts.get(&state).copied().unwrap_or(0)
    }

    /// Queued tasks that cannot start before a waiting task of their key does: they wait with it.
    pub fn count_behind_waiting(&self) -> usize {
        self.behind_count
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Queued, running or retrying: a delivery of this key is still on its way.
    pub fn is_active(&self, key: &str) -> bool {
        self.tasks_of(key).any(|entry| entry.state.unsettles_run())
    }

    /// A delivery of this key that was stored before `sequence` is still on its way.
    pub fn is_active_before(&self, key: &str, sequence: i64) -> bool {
        self.tasks_of(key)
            .any(|entry| entry.sequence < sequence && entry.state.unsettles_run())
    }

    /// All live tasks of the key, oldest first.
    pub fn tasks_of(&self, key: &str) -> impl Iterator<Item = &Entry> {
        self.by_key
            .get(key)
            .into_iter()
            .flat_map(|tasks| tasks.values())
            .filter_map(|task| self.entries.get(task))
    }

    /// Tasks that a version with this sequence replaces under `latest_only`.
    pub fn superseded_by(&self, key: &str, sequence: i64) -> Vec<TaskId> {
        self.tasks_of(key)
            .filter(|entry| {
                entry.sequence < sequence
                    && !entry.has_effect
                    && matches!(entry.state, State::Queued | State::Waiting | State::Retrying)
            })
            .map(|entry| entry.task)
            .collect()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    fn detach(&mut self, task: &TaskId) -> Option<Entry> {
        let entry = self.entries.remove(task)?;
        self.ready.remove(&(entry.sequence, *task));
        if let Some(at) = entry.due {
            self.due.remove(&(at, *task));
        }
        if let Some(count) = self.counts.get_mut(&entry.state) {
            *count -= 1;
        }
        Some(entry)
    }

    /// Puts the head of the key, and only it, into the set it belongs to. While one of them runs there is no head: an
    /// older one that a person queues again waits for its end.
    fn refresh(&mut self, key: &str) {
        self.behind_count -= self.behind.remove(key).unwrap_or(0);
        let Some(tasks) = self.by_key.get(key) else { return };
        let entries = || tasks.values().filter_map(|task| self.entries.get(task));
        let mut head = !entries().any(|entry| entry.state == State::Running);
        let held_back = entries().skip_while(|entry| entry.state != State::Waiting || entry.is_aside);
        let behind = held_back.filter(|entry| entry.state == State::Queued).count();
        if behind > 0 {
            self.behind.insert(key.to_owned(), behind);
            self.behind_count += behind;
        }
        for (sequence, task) in tasks {
            let Some(entry) = self.entries.get(task) else {
                continue;
            };
            self.ready.remove(&(*sequence, *task));
            if let Some(at) = entry.due {
                self.due.remove(&(at, *task));
            }
            if !entry.state.blocks_key() || entry.is_aside {
                continue;
            }
            if head {
                match (entry.state, entry.due) {
                    (State::Queued, _) | (State::Retrying, None) => {
                        self.ready.insert((*sequence, *task));
                    }
                    (State::Retrying, Some(at)) => {
                        self.due.insert((at, *task));
                    }
                    _ => {}
                }
            }
            head = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(n: u8) -> TaskId {
        TaskId::from_bytes([n; 16])
    }

    fn entry(n: u8, key: &str, state: State) -> Entry {
        Entry {
            task: task(n),
            key: key.to_owned(),
            sequence: i64::from(n),
            state,
            due: None,
            has_effect: false,
            is_aside: false,
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).expect("in range")
    }

    /// `1aQ 2bR`: sequence, key, state by its first letter (T for retrying without time).
    fn keys(text: &str) -> Keys {
        let mut keys = Keys::default();
        for word in text.split_whitespace() {
            let state = match word.chars().last().expect("a state") {
                'Q' => State::Queued,
                'R' => State::Running,
                'W' => State::Waiting,
                'T' => State::Retrying,
                _ => State::Dead,
            };
            let n = word.chars().next().and_then(|c| c.to_digit(10)).expect("a digit") as u8;
            keys.put(entry(n, &word[1..2], state));
        }
        keys
    }

    fn check(text: &str, expected: &[u8]) {
        let ready: Vec<u8> = keys(text).ready(10, now()).iter().map(|t| t.bytes()[0]).collect();
        assert_eq!(ready, expected, "{text}");
    }

    #[test]
    fn only_the_head_of_a_key_may_run() {
        check("1aQ 2bQ 3aQ", &[1, 2]);
        check("1aR 2aQ 3bQ", &[3]);
        check("1aW 2aQ", &[]);
        check("1aT 2aQ", &[1]);
        check("1aD 2aQ", &[2]);
        check("3aQ 1aQ 2aQ", &[1]);
        check("1aQ 2aR 3bQ", &[3]);
    }

    #[test]
    fn what_stands_behind_a_waiting_one_waits_with_it() {
        let mut keys = keys("1aQ 2aW 3aQ 4aQ 5bQ 6cW 7cD");
        assert_eq!(keys.count_behind_waiting(), 2);
        keys.put(entry(2, "a", State::Queued));
        assert_eq!(keys.count_behind_waiting(), 0);
        keys.put(entry(2, "a", State::Waiting));
        keys.remove(&task(3));
        assert_eq!(keys.count_behind_waiting(), 1);
        keys.remove(&task(4));
        keys.remove(&task(1));
        keys.remove(&task(2));
        assert_eq!(keys.count_behind_waiting(), 0);
    }

    #[test]
    fn one_in_a_buffer_holds_back_nobody_and_is_replaced_like_others() {
        let mut keys = keys("1aW 2aQ");
        keys.put(Entry {
            is_aside: true,
            ..entry(1, "a", State::Waiting)
        });
        assert_eq!(keys.ready(10, now()), [task(2)]);
        assert_eq!(keys.superseded_by("a", 9), [task(1), task(2)]);
    }

    #[test]
    fn the_next_moves_up_when_the_head_ends() {
        let mut keys = keys("1aR 2aQ 3aQ");
        assert!(keys.ready(10, now()).is_empty());
        keys.remove(&task(1));
        assert_eq!(keys.ready(10, now()), [task(2)]);
        keys.put(entry(2, "a", State::Dead));
        assert_eq!(keys.ready(10, now()), [task(3)]);
        assert_eq!(
            (keys.count(State::Dead), keys.count(State::Queued), keys.len()),
            (1, 1, 2)
        );
    }

    #[test]
    fn a_retrying_head_waits_for_its_time() {
        let mut keys = Keys::default();
        let due = now()
            .checked_add(jiff::SignedDuration::from_secs(5))
            .expect("in range");
        keys.put(Entry {
            due: Some(due),
            ..entry(1, "a", State::Retrying)
        });
        keys.put(entry(2, "a", State::Queued));
        assert!(keys.ready(10, now()).is_empty());
        assert_eq!(keys.next_due(), Some(due));
        assert_eq!(keys.ready(10, due), [task(1)]);
    }

    #[test]
    fn newer_versions_replace_what_has_no_effect() {
        let mut keys = keys("1aQ 2aW 3aR 4aT 5aD 6bQ");
        keys.put(Entry {
            has_effect: true,
            ..entry(4, "a", State::Retrying)
        });
        assert_eq!(keys.superseded_by("a", 9), [task(1), task(2)]);
        assert!(keys.is_active("a"));
        assert!(keys.is_active_before("a", 2) && !keys.is_active_before("a", 1));
        assert!(!keys.is_active("c"));
    }
}
