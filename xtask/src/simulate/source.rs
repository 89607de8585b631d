//! A scripted source: rows that change, and pages that are slow, repeated, shuffled, doubled or not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Kind};
use weir_sdk::connector::{
    CheckResult, Connection, Description, Effects, EntityDescription, LookupRequest, Observer, Outcome, Page,
    ReadRequest, Row, WriteRequest,
};

use super::stage::Stage;

/// Rows of one route's source, in the order they were made; none is ever removed.
#[derive(Default)]
pub(super) struct SourceTable {
    pub(super) rows: Vec<Value>,
    versions: u64,
    marks: Vec<String>,
}

impl SourceTable {
    /// Makes or changes the row at this place.
    pub(super) fn change(&mut self, stage: &Stage, index: usize, place: usize) {
        let mut chance = stage.world.chance();
        self.versions += 1;
        let plan = &stage.plan.routes[index];
        let parents = plan.waits_for.or(plan.refers);
        let parent = parents.filter(|_| chance.percent(70)).map(|parent| {
            // Now and then one that will never arrive.
            let count = stage.plan.routes[parent].keys as u64;
            format!("k{}", chance.between(0, count))
        });
        let mark = match self.marks.last() {
            Some(mark) if chance.percent(25) => mark.clone(),
            _ => format!("m{}", self.versions),
        };
        self.marks.push(mark.clone());
        let lines: Vec<Value> = (0..chance.between(0, 3))
            .map(|line| json!({ "sku": format!("s{line}"), "count": chance.between(1, 3) }))
            .collect();
        let row = json!({
            "code": format!("k{place}"),
            "size": chance.between(1, 3),
            "parent": parent,
            "keep": chance.percent(80),
            "mark": mark,
            "lines": lines,
            "version": self.versions,
            "updated": stage.world.system_second(),
        });
        let shown = row.to_string();
        match self.rows.get_mut(place) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
        drop(chance);
        stage.world.tell(|| format!("source    r{index} {shown}"));
    }
}

/// The connection of one process to the source of one route.
pub(super) struct Source {
    stage: Arc<Stage>,
    index: usize,
    description: Description,
}

impl Source {
    pub(super) fn new(stage: &Arc<Stage>, index: usize) -> Self {
        let entity = EntityDescription {
            key: vec!["code".to_owned()],
            can_read: true,
            ..EntityDescription::default()
        };
        Source {
            stage: stage.clone(),
            index,
            description: Description {
                entities: BTreeMap::from([("things".to_owned(), entity)]),
                ..Description::default()
            },
        }
    }

    fn is_away(&self) -> bool {
        let world = &self.stage.world;
        world.weather().sources_away_until_ms > world.now_ms()
    }

    fn trouble(&self) -> Option<Error> {
        let world = &self.stage.world;
        if self.is_away() {
            return Some(Error::new(Kind::Unavailable, "the source is away"));
        }
        let trouble = world.weather().trouble;
        let mut chance = world.chance();
        if !chance.percent(trouble / 2) {
            return None;
        }
        Some(match chance.between(0, 5) {
            0 => Error::new(Kind::RateLimited, "slowly").retry_after_ms(chance.between(10, 30_000)),
            1 => Error::new(Kind::Timeout, "no page came"),
            2 => Error::new(Kind::Unauthenticated, "who are you"),
            3 => Error::new(Kind::Invalid, "no JSON"),
            _ => Error::new(Kind::Unavailable, "503"),
        })
    }

    /// Positions are places in the table: rows that change meanwhile shift nobody.
    fn page(&self, request: &ReadRequest) -> Page {
        let table = self.stage.source(self.index);
        let start = request.page.as_ref().and_then(Value::as_u64).unwrap_or(0) as usize;
        let since = request.since.as_ref().map(|(_, at)| at.as_second());
        let mut chance = self.stage.world.chance();
        let changed_at = |row: &Value| row["updated"].as_i64().unwrap_or(0);
        let mut rows = Vec::new();
        let mut place = start;
        while place < table.rows.len() && rows.len() < self.stage.plan.routes[self.index].page {
            let row = &table.rows[place];
            place += 1;
            if since.is_none_or(|since| changed_at(row) >= since) {
                rows.push(Row {
                    value: row.clone(),
                    changed_at: jiff::Timestamp::from_second(changed_at(row)).ok(),
                });
            }
        }
        let mut next = (place < table.rows.len()).then(|| json!(place));
        if self.stage.world.weather().trouble > 0 {
            if chance.percent(15) {
                chance.shuffle(&mut rows);
            }
            if chance.percent(10)
                && let Some(row) = rows.first().cloned()
            {
                rows.push(row);
            }
            // A page that says it goes on where it began: the rows come again.
            if chance.percent(10) {
                next = Some(json!(start));
            }
        }
        Page { rows, next }
    }
}

#[async_trait]
impl Connection for Source {
    fn description(&self) -> &Description {
        &self.description
    }

    async fn check(&self) -> Vec<CheckResult> {
        let world = &self.stage.world;
        world.linger(world.weather().system_ms.min(1_000)).await;
        vec![check(!self.is_away())]
    }

    async fn read(&self, request: &ReadRequest, _: &dyn Observer) -> Result<Page, Error> {
        let world = &self.stage.world;
        world.call("before a page").await;
        let wait_ms = world.weather().system_ms;
        world.linger(wait_ms).await;
        let answer = match self.trouble() {
            Some(error) => Err(error),
            None => Ok(self.page(request)),
        };
        world.tell(|| {
            let what = match &answer {
                Ok(page) => format!(
                    "{} → {}",
                    page.rows
                        .iter()
                        .map(|row| format!(
                            "{}v{}",
                            row.value["code"].as_str().unwrap_or(""),
                            row.value["version"]
                        ))
                        .collect::<Vec<_>>()
                        .join(" "),
                    page.next.as_ref().map_or("end".to_owned(), Value::to_string)
                ),
                Err(error) => error.kind.to_string(),
            };
            let from = request.page.as_ref().map_or("start".to_owned(), Value::to_string);
            let since = request
                .since
                .as_ref()
                .map_or(String::new(), |(_, at)| format!(" since {at}"));
            format!("page      r{} from {from}{since}: {what}", self.index)
        });
        world.linger(wait_ms / 4).await;
        world.call("after a page").await;
        answer
    }

    async fn lookup(&self, request: &LookupRequest, _: &dyn Observer) -> Result<Vec<Vec<Value>>, Error> {
        Ok(request.keys.iter().map(|_| Vec::new()).collect())
    }

    async fn write(&self, request: &WriteRequest, _: &dyn Effects) -> Vec<Outcome> {
        let refused = || Outcome::Failed(Error::bug("nobody writes to a source"));
        request.rows.iter().map(|_| refused()).collect()
    }
}

pub(super) fn check(ok: bool) -> CheckResult {
    CheckResult {
        what: "reach".to_owned(),
        ok,
        message: String::new(),
        duration_ms: 0,
    }
}
