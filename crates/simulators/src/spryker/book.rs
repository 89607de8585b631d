//! Rows by names instead of positions, for the code that is not driven by requests on resources: the
//! content of the start, the two Backend API resources, the report.

use super::cell::Cell;
use super::definition::Definitions;
use super::store::{Refusal, Store};
use super::table::Row;

/// The store with its configuration at hand.
pub(crate) struct Book<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) definitions: &'a Definitions,
}

impl Book<'_> {
    fn place(&self, resource: &str) -> usize {
        self.definitions
            .position(resource)
            .expect("the names in this crate are those of the shipped resources")
    }

    fn column(&self, table: usize, name: &str) -> usize {
        self.definitions.resources[table]
            .column(name)
            .expect("the names in this crate are those of the shipped resources")
    }

    /// Adds a row and gives its identifier.
    pub(crate) fn add(&mut self, resource: &str, cells: &[(&str, Cell)]) -> Result<i64, Refusal> {
        let table = self.place(resource);
        let definition = &self.definitions.resources[table];
        let mut row = vec![Cell::Null; definition.fields.len()];
        for (name, cell) in cells {
            row[self.column(table, name)] = cell.clone();
        }
        if row[definition.id].is_null() {
            row[definition.id] = Cell::Int(self.store.tables[table].take_id());
        }
        let id = row[definition.id].as_int().unwrap_or_default();
        self.store.insert(self.definitions, table, Row::from(row))?;
        Ok(id)
    }

    /// Changes columns of a row.
    pub(crate) fn set(&mut self, resource: &str, id: i64, cells: &[(&str, Cell)]) -> Result<(), Refusal> {
        let table = self.place(resource);
        let Some(slot) = self.store.tables[table].by_id(id) else {
            return Ok(());
        };
        let mut row = self.store.tables[table].row(slot).to_vec();
        for (name, cell) in cells {
            row[self.column(table, name)] = cell.clone();
        }
        self.store.update(self.definitions, table, slot, Row::from(row))
    }

    pub(crate) fn remove(&mut self, resource: &str, id: i64) {
        let table = self.place(resource);
        if let Some(slot) = self.store.tables[table].by_id(id) {
            self.store.delete(table, slot);
        }
    }

    /// Rows with a value, in the order of insertion.
    pub(crate) fn rows(&mut self, resource: &str, field: &str, value: &Cell) -> Vec<Row> {
        let table = self.place(resource);
        let column = self.column(table, field);
        let table = &mut self.store.tables[table];
        table.ensure_index(column);
        let slots = table.slots(column, value).unwrap_or_default();
        slots.iter().map(|slot| table.row(*slot).clone()).collect()
    }

    /// The identifier of the first row with a value.
    pub(crate) fn find(&mut self, resource: &str, field: &str, value: &Cell) -> Option<i64> {
        let row = self.rows(resource, field, value).into_iter().next()?;
        self.id_of(resource, &row)
    }

    pub(crate) fn id_of(&self, resource: &str, row: &Row) -> Option<i64> {
        row[self.definitions.resources[self.place(resource)].id].as_int()
    }

    pub(crate) fn get<'r>(&self, resource: &str, row: &'r Row, field: &str) -> &'r Cell {
        &row[self.column(self.place(resource), field)]
    }

    /// A column of the row with an identifier.
    pub(crate) fn look(&self, resource: &str, id: &Cell, field: &str) -> Option<Cell> {
        let table = self.place(resource);
        let slot = self.store.tables[table].by_id(id.as_int()?)?;
        Some(self.store.tables[table].row(slot)[self.column(table, field)].clone())
    }
}
