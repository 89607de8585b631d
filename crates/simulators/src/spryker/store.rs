//! All tables with one undo log, and the log of what was created: the report uses it to find rows
//! that were written twice, even when the second one was refused or changed later.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::cell::Cell;
use super::definition::Definitions;
use super::table::{Row, Table};

/// How many twice-created rows are named in a report.
const NAMED_MAX: usize = 50;

enum Undo {
    Inserted { table: usize, slot: u32 },
    Replaced { table: usize, slot: u32, old: Row },
    Deleted { table: usize, slot: u32, old: Row },
}

/// Why the database refused a row.
pub(crate) enum Refusal {
    Duplicate { field: usize },
    NotNull,
    ForeignKey,
}

pub(crate) struct Store {
    pub(crate) tables: Vec<Table>,
    undo: Vec<Undo>,
    /// Per table: hash of the natural key and how often a row with it was created and committed.
    created: Vec<HashMap<u64, u32>>,
    pub(crate) created_total: Vec<u64>,
    pub(crate) twice: Vec<(usize, String)>,
    pub(crate) twice_total: u64,
    /// Counts commits; the switch that shuffles pages uses it.
    pub(crate) version: u64,
}

impl Store {
    pub(crate) fn new(definitions: &Definitions) -> Self {
        let tables: Vec<Table> = definitions.resources.iter().map(Table::new).collect();
        Self {
            created: vec![HashMap::new(); tables.len()],
            created_total: vec![0; tables.len()],
            tables,
            undo: Vec::new(),
            twice: Vec::new(),
            twice_total: 0,
            version: 0,
        }
    }

    /// Undoes everything since the last commit.
    pub(crate) fn rollback(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Inserted { table, slot } => {
                    self.tables[table].take(slot);
                }
                Undo::Replaced { table, slot, old } => {
                    self.tables[table].replace(slot, old);
                }
                Undo::Deleted { table, slot, old } => self.tables[table].restore(slot, old),
            }
        }
    }

    pub(crate) fn commit(&mut self, definitions: &Definitions) {
        if self.undo.is_empty() {
            return;
        }
        self.version += 1;
        for undo in std::mem::take(&mut self.undo) {
            let Undo::Inserted { table, slot } = undo else {
                continue;
            };
            let natural = &definitions.resources[table].natural;
            self.created_total[table] += 1;
            if natural.is_empty() || !self.tables[table].is_live(slot) {
                continue;
            }
            let row = self.tables[table].row(slot);
            let count = self.created[table].entry(natural_hash(row, natural)).or_default();
            *count += 1;
            if *count > 1 {
                self.twice_total += 1;
                if self.twice.len() < NAMED_MAX {
                    let named = natural_text(definitions, table, row);
                    self.twice.push((table, named));
                }
            }
        }
    }

    /// Forgets what was created so far: the content of the start is nobody's work.
    pub(crate) fn forget_created(&mut self) {
        for log in &mut self.created {
            log.clear();
        }
        self.created_total.fill(0);
        self.twice.clear();
        self.twice_total = 0;
    }

    pub(crate) fn insert(
        &mut self,
        definitions: &Definitions,
        table: usize,
        row: Row,
    ) -> Result<u32, Refusal> {
        self.check(definitions, table, &row, None)?;
        let slot = self.tables[table].insert(row);
        self.undo.push(Undo::Inserted { table, slot });
        Ok(slot)
    }

    pub(crate) fn update(
        &mut self,
        definitions: &Definitions,
        table: usize,
        slot: u32,
        row: Row,
    ) -> Result<(), Refusal> {
        self.check(definitions, table, &row, Some(slot))?;
        let old = self.tables[table].replace(slot, row);
        self.undo.push(Undo::Replaced { table, slot, old });
        Ok(())
    }

    pub(crate) fn delete(&mut self, table: usize, slot: u32) {
        let old = self.tables[table].take(slot);
        self.undo.push(Undo::Deleted { table, slot, old });
    }

    fn check(
        &self,
        definitions: &Definitions,
        table: usize,
        row: &Row,
        own: Option<u32>,
    ) -> Result<(), Refusal> {
        let resource = &definitions.resources[table];
        let old = own.map(|slot| self.tables[table].row(slot));
        for (field, definition) in resource.fields.iter().enumerate() {
            let cell = &row[field];
            if old.is_some_and(|old| old[field] == *cell) {
                continue;
            }
            if cell.is_null() {
                if definition.required {
                    return Err(Refusal::NotNull);
                }
                continue;
            }
            if let Some(parent) = definition.references {
                let found = cell
                    .as_int()
                    .is_some_and(|id| self.tables[parent].by_id(id).is_some());
                if !found {
                    return Err(Refusal::ForeignKey);
                }
            }
        }
        match self.tables[table].conflict(row, own) {
            Some(fields) => Err(Refusal::Duplicate {
                field: *fields.last().expect("a constraint has fields"),
            }),
            None => Ok(()),
        }
    }
}

fn natural_hash(row: &Row, natural: &[usize]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for field in natural {
        row[*field].hash(&mut hasher);
    }
    hasher.finish()
}

/// `fk_category=3, fk_locale=1`.
pub(crate) fn natural_text(definitions: &Definitions, table: usize, row: &Row) -> String {
    let resource = &definitions.resources[table];
    resource
        .natural
        .iter()
        .filter(|field| !matches!(row[**field], Cell::Null))
        .map(|field| format!("{}={}", resource.fields[*field].name, row[*field].shown()))
        .collect::<Vec<_>>()
        .join(", ")
}
