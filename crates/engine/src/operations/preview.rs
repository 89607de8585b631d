//! What an action on many tasks would do: each is looked at, and where it would be sent again its steps are tried up to
//! the writes. Nothing is changed and nothing is sent.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use weir_model::reasons::Reasons;
use weir_model::task::State as TaskState;
use weir_model::{Error, OperationId, TaskId};
use weir_sdk::step::{Batch, Item, Verdict};
use weir_sdk::store::{LiveTask, Loaded};

use super::records::{self, Token};
use super::{PREVIEWS_MAX, Selection, TOKEN_MS, select};
use crate::actions::Deed;
use crate::family;
use crate::payload;
use crate::plan::{Plan, SUPERSEDED, To, plan};
use crate::services::Session;
use crate::shared::Shared;
use crate::start;
use crate::worker;

/// Up to so many tasks all are tried …
const TRIED_MAX: usize = 5_000;
/// … and of more so many, spread evenly.
const SAMPLE_TASKS: usize = 1_000;
/// Tasks looked at and tried at once.
const BATCH_TASKS: usize = 100;
/// Keys shown as examples.
const EXAMPLES: usize = 5;

/// What would happen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Preview {
    /// Executes what is shown here, on exactly these tasks. Missing where nothing can be done.
    pub token: Option<OperationId>,
    /// The token is good until then.
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    /// All of it in a sentence.
    pub summary: String,
    pub deed: Deed,
    /// As it was understood.
    pub selection: Selection,
    /// The release whose steps are used.
    pub release: u64,
    /// Tasks that are meant.
    pub total: u64,
    /// The same by route and state.
    pub counts: BTreeMap<String, BTreeMap<TaskState, u64>>,
    /// Tasks with which it can be done as they are.
    pub possible: u64,
    /// Replays that are older than what was delivered last; they are among the refused.
    pub superseded: u64,
    /// Why it cannot be done with the others.
    pub refused: Reasons,
    /// How the steps ended, where the action sends again.
    pub tried: Option<Tried>,
    /// Tasks with writes that are confirmed; these are not sent again.
    pub with_effects: u64,
    /// Keys of the first few.
    pub examples: Vec<String>,
    pub warnings: Vec<String>,
}

/// A dry run of the steps up to the writes. What the other side says is not known.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Tried {
    /// Tasks that were tried.
    pub tasks: u64,
    /// Not all of them were.
    pub is_sample: bool,
    /// Would be written, or split; what a split makes is not tried.
    pub written: u64,
    /// Would end without a write: filtered, or unchanged.
    pub skipped: u64,
    /// Would wait: for something, for a time, for an answer, for the rest of a group.
    pub waiting: u64,
    pub failed: u64,
    /// Why they would fail.
    pub failing: Reasons,
}

/// Looks, and stores the token. Errors: `invalid` for a deed or a selection that makes no sense, `not_found`, `limit`.
pub(crate) async fn preview(shared: &Shared, deed: Deed, selection: Selection) -> Result<Preview, Error> {
    deed.check()?;
    let selection = selection.completed(deed.action)?;
    let tasks = select::tasks(shared, &selection).await?;
    let mut look = Look::new(shared, &deed, tasks.len());
    for (batch, tasks) in tasks.chunks(BATCH_TASKS).enumerate() {
        look.at(batch * BATCH_TASKS, tasks).await?;
    }
    let mut preview = Preview {
        token: None,
        expires_at: None,
        summary: String::new(),
        release: shared.configuration.release,
        total: tasks.len() as u64,
        warnings: look.warnings(),
        counts: look.counts,
        possible: look.possible,
        superseded: look.superseded,
        refused: look.refused,
        tried: deed.action.sends().then_some(look.tried),
        with_effects: look.with_effects,
        examples: look.examples,
        deed,
        selection,
    };
    preview.summary = summary(&preview);
    if preview.possible > 0 {
        let token = keep(shared, &preview, &tasks).await?;
        preview.token = Some(token.id);
        preview.expires_at = Some(token.expires_at);
    }
    Ok(preview)
}

async fn keep(shared: &Shared, preview: &Preview, tasks: &[TaskId]) -> Result<Token, Error> {
    let scope = &shared.configuration.scope;
    let now = shared.context.clock.now();
    let lasts = SignedDuration::from_millis(i64::try_from(TOKEN_MS).unwrap_or(i64::MAX));
    let token = Token {
        id: OperationId(shared.context.dice.uuid()),
        deed: preview.deed.clone(),
        selection: preview.selection.clone(),
        routes: preview.counts.keys().cloned().collect(),
        total: preview.total,
        made_at: now,
        expires_at: now.checked_add(lasts).unwrap_or(Timestamp::MAX),
    };
    let mut changes = records::put_tasks(scope, &token.id, tasks)?;
    changes.push(records::put_token(scope, &token)?);
    let mut others = records::all_tokens(shared).await?;
    others.sort_by_key(|other| std::cmp::Reverse(other.made_at));
    for old in others.iter().skip(PREVIEWS_MAX - 1) {
        changes.push(records::drop_token(scope, &old.id));
        changes.extend(records::drop_tasks(scope, &old.id, old.total));
    }
    shared.store.commit(changes).await?;
    Ok(token)
}

/// What is gathered on the way.
struct Look<'a> {
    shared: &'a Shared,
    deed: &'a Deed,
    total: usize,
    counts: BTreeMap<String, BTreeMap<TaskState, u64>>,
    possible: u64,
    superseded: u64,
    refused: Reasons,
    tried: Tried,
    with_effects: u64,
    unanswered: u64,
    older_release: u64,
    examples: Vec<String>,
}

impl<'a> Look<'a> {
    fn new(shared: &'a Shared, deed: &'a Deed, total: usize) -> Self {
        Look {
            shared,
            deed,
            total,
            counts: BTreeMap::new(),
            possible: 0,
            superseded: 0,
            refused: Reasons::default(),
            tried: Tried {
                is_sample: total > TRIED_MAX,
                ..Tried::default()
            },
            with_effects: 0,
            unanswered: 0,
            older_release: 0,
            examples: Vec::new(),
        }
    }

    async fn at(&mut self, first: usize, tasks: &[TaskId]) -> Result<(), Error> {
        let mut to_try: BTreeMap<String, Vec<Plan>> = BTreeMap::new();
        for (index, planned) in plan(self.shared, self.deed, tasks).await?.into_iter().enumerate() {
            if let Some((route, state)) = &planned.place {
                *self
                    .counts
                    .entry(route.clone())
                    .or_default()
                    .entry(*state)
                    .or_default() += 1;
            }
            if self.examples.len() < EXAMPLES && !self.examples.contains(&planned.key) {
                self.examples.push(planned.key.clone());
            }
            match planned.outcome {
                Err(error) => {
                    self.superseded += u64::from(error.get(SUPERSEDED).is_some());
                    self.refused.add(&error, &planned.key);
                }
                Ok(plan) => {
                    self.count(&plan);
                    if self.deed.action.sends() && is_tried(first + index, self.total) {
                        to_try
                            .entry(plan.detail.row.route.clone())
                            .or_default()
                            .push(plan);
                    }
                }
            }
        }
        for (route, plans) in to_try {
            self.try_out(&route, plans).await?;
        }
        Ok(())
    }

    fn count(&mut self, plan: &Plan) {
        self.possible += 1;
        if matches!(plan.to, To::New { .. }) {
            return;
        }
        let all = plan.detail.effects.iter();
        let effects = all.filter(|(name, _)| family::is_effect(name));
        self.with_effects += u64::from(effects.clone().any(|(_, result)| result.is_some()));
        self.unanswered += u64::from(effects.clone().any(|(_, result)| result.is_none()));
        let release = plan.detail.release;
        self.older_release += u64::from(release.is_some_and(|of| of != self.shared.configuration.release));
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.deed.action.sends() {
            return warnings;
        }
        if self.unanswered > 0 {
            warnings.push(format!(
                "{} have a write that was never answered: it is looked up before it is repeated, or stops the task where \
                 that is not possible",
                self.unanswered
            ));
        }
        if self.older_release > 0 {
            warnings.push(format!(
                "{} were first tried under another release and go on with release {}",
                self.older_release, self.shared.configuration.release
            ));
        }
        warnings
    }

    /// The steps up to the writes.
    async fn try_out(&mut self, name: &str, plans: Vec<Plan>) -> Result<(), Error> {
        let route = self.shared.route(name)?;
        let now = self.shared.context.clock.now();
        let mut session = Session::new(self.shared, name, "preview".to_owned(), now);
        session.captures = true;
        let mut batch = Batch { items: Vec::new() };
        let mut alone = Vec::new();
        for plan in plans {
            let start = plan.to.start().cloned();
            let loaded = loaded(plan);
            let source = payload::unpack(&loaded.input)?;
            let item = worker::item(route, &loaded, source);
            match start {
                Some(start) => alone.push((item, start)),
                None => batch.items.push(item),
            }
            session.loaded.insert(loaded.task.id, loaded);
        }
        start::run(route, None, &mut batch, &session).await;
        for (item, start) in alone {
            let mut one = Batch { items: vec![item] };
            start::run(route, Some(&start), &mut one, &session).await;
            batch.items.extend(one.items);
        }
        for Item { key, verdict, .. } in batch.items {
            self.tried.tasks += 1;
            match verdict {
                Verdict::Go | Verdict::Split { .. } => self.tried.written += 1,
                Verdict::Skip { .. } => self.tried.skipped += 1,
                Verdict::Wait { .. }
                | Verdict::Pause { .. }
                | Verdict::Ask { .. }
                | Verdict::Collect { .. } => self.tried.waiting += 1,
                Verdict::Fail(error) => {
                    self.tried.failed += 1;
                    self.tried.failing.add(&error, &key);
                }
            }
        }
        Ok(())
    }
}

/// As a worker would get it.
fn loaded(plan: Plan) -> Loaded {
    let row = plan.detail.row;
    let effects = match plan.to {
        To::New { .. } => family::effects_of_copy(&plan.detail.effects),
        _ => plan.detail.effects,
    };
    let input = match plan.to {
        To::Queue {
            input: Some(input), ..
        } => input,
        _ => plan.detail.input,
    };
    Loaded {
        task: LiveTask {
            id: row.id,
            sequence: row.sequence,
            route: row.route,
            key: row.key,
            run: row.run,
            state: row.state,
            due: row.due,
            needs: row.needs,
            attempts: row.attempts,
            has_effect: effects.keys().any(|name| family::is_effect(name)),
            since: row.since,
        },
        input,
        release: plan.detail.release,
        first_attempt_at: None,
        effects,
        replay_of: row.replay_of,
    }
}

/// All of few; of many a sample with equal distances.
fn is_tried(index: usize, total: usize) -> bool {
    total <= TRIED_MAX || index * SAMPLE_TASKS / total != (index + 1) * SAMPLE_TASKS / total
}

fn summary(preview: &Preview) -> String {
    let mut parts = Vec::new();
    match &preview.tried {
        None => parts.push(format!(
            "{} would be {}",
            preview.possible,
            preview.deed.action.word()
        )),
        Some(tried) if tried.tasks > 0 => {
            let of = match tried.is_sample {
                true => format!("of a sample of {} ", tried.tasks),
                false => String::new(),
            };
            parts.push(format!(
                "{of}{} would now succeed in a dry run",
                tried.written + tried.skipped
            ));
            if tried.skipped > 0 {
                parts.push(format!("{} of them without a write", tried.skipped));
            }
            if tried.waiting > 0 {
                parts.push(format!("{} would wait", tried.waiting));
            }
            if tried.failed > 0 {
                parts.push(format!(
                    "{} would fail because {}",
                    tried.failed,
                    because(&tried.failing)
                ));
            }
        }
        Some(_) => {}
    }
    let refused = preview.refused.count();
    if refused > 0 {
        parts.push(format!(
            "{refused} cannot be {}: {}",
            preview.deed.action.word(),
            because(&preview.refused)
        ));
    }
    let tasks = if preview.total == 1 { "task" } else { "tasks" };
    match parts.is_empty() {
        true => format!("{} {tasks}", preview.total),
        false => format!("{} {tasks}: {}", preview.total, parts.join(", ")),
    }
}

fn because(reasons: &Reasons) -> String {
    let words: Vec<String> = match &reasons.groups[..] {
        [one] => vec![one.reason.clone()],
        many => many
            .iter()
            .map(|group| format!("{} ({}×)", group.reason, group.count))
            .collect(),
    };
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all() {
        for total in [1, TRIED_MAX] {
            assert!((0..total).all(|index| is_tried(index, total)));
        }
        let total = 100_000;
        let tried: Vec<usize> = (0..total).filter(|index| is_tried(*index, total)).collect();
        assert_eq!(tried.len(), SAMPLE_TASKS);
        assert!(
            tried
                .windows(2)
                .all(|pair| pair[1] - pair[0] == total / SAMPLE_TASKS)
        );
    }
}
