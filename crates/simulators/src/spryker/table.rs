//! One table in memory: rows in the order of insertion, and indexes so that no request scans.

use std::sync::Arc;

use super::cell::{Cell, QuickMap};
use super::definition::Resource;

/// A row; replaced as a whole on a change, so that the undo log holds the old one for nothing.
pub(crate) type Row = Arc<[Cell]>;

/// The slots of one indexed value: most values have exactly one.
#[derive(Debug, Clone)]
enum Posting {
    One(u32),
    Many(Vec<u32>),
}

impl Posting {
    fn slots(&self) -> &[u32] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    fn add(&mut self, slot: u32) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, slot]),
            Self::Many(slots) => slots.push(slot),
        }
    }

    /// Removes a slot; true when nothing is left. Searches from the end, where an undo finds it.
    fn remove(&mut self, slot: u32) -> bool {
        match self {
            Self::One(only) => *only == slot,
            Self::Many(slots) => {
                if let Some(place) = slots.iter().rposition(|have| *have == slot) {
                    slots.remove(place);
                }
                slots.is_empty()
            }
        }
    }
}

struct Index {
    field: usize,
    map: QuickMap<Cell, Posting>,
}

impl Index {
    fn add(&mut self, row: &Row, slot: u32) {
        let cell = &row[self.field];
        match self.map.get_mut(cell) {
            Some(posting) => posting.add(slot),
            None => {
                self.map.insert(cell.clone(), Posting::One(slot));
            }
        }
    }

    fn remove(&mut self, row: &Row, slot: u32) {
        let cell = &row[self.field];
        if self.map.get_mut(cell).is_some_and(|posting| posting.remove(slot)) {
            self.map.remove(cell);
        }
    }
}

struct Unique {
    fields: Vec<usize>,
    map: QuickMap<Box<[Cell]>, u32>,
}

impl Unique {
    /// As in SQL, a key with a null part equals no other.
    fn key(&self, row: &Row) -> Option<Box<[Cell]>> {
        let key: Box<[Cell]> = self.fields.iter().map(|field| row[*field].clone()).collect();
        (!key.iter().any(Cell::is_null)).then_some(key)
    }
}

pub(crate) struct Table {
    id: usize,
    rows: Vec<Option<Row>>,
    live: usize,
    next_id: i64,
    indexes: Vec<Index>,
    uniques: Vec<Unique>,
}

impl Table {
    pub(crate) fn new(resource: &Resource) -> Self {
        Self {
            id: resource.id,
            rows: Vec::new(),
            live: 0,
            next_id: 1,
            indexes: vec![Index {
                field: resource.id,
                map: QuickMap::default(),
            }],
            uniques: resource
                .unique
                .iter()
                .map(|fields| Unique {
                    fields: fields.clone(),
                    map: QuickMap::default(),
                })
                .collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn row(&self, slot: u32) -> &Row {
        self.rows[slot as usize]
            .as_ref()
            .expect("slots come from an index, and indexes hold live rows only")
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows
            .iter()
            .enumerate()
            .filter_map(|(slot, row)| row.as_ref().map(|row| (slot as u32, row)))
    }

    /// The slots from `offset` on in the order of insertion.
    pub(crate) fn page(&self, offset: usize, limit: usize) -> Vec<u32> {
        if self.live == self.rows.len() {
            let end = offset.saturating_add(limit).min(self.rows.len());
            return (offset.min(end)..end).map(|slot| slot as u32).collect();
        }
        self.rows()
            .skip(offset)
            .take(limit)
            .map(|(slot, _)| slot)
            .collect()
    }

    /// Takes the next number of the sequence; like a database it is not given back on a rollback.
    pub(crate) fn take_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn by_id(&self, id: i64) -> Option<u32> {
        self.slots(self.id, &Cell::Int(id))?.first().copied()
    }

    pub(crate) fn has_index(&self, field: usize) -> bool {
        self.indexes.iter().any(|index| index.field == field)
    }

    /// Builds the index of a field on its first use.
    pub(crate) fn ensure_index(&mut self, field: usize) {
        if self.has_index(field) {
            return;
        }
        let mut index = Index {
            field,
            map: QuickMap::default(),
        };
        for (slot, row) in self.rows() {
            index.add(row, slot);
        }
        self.indexes.push(index);
    }

    /// The slots with a value, `None` when there are none; the field must have an index.
    pub(crate) fn slots(&self, field: usize, value: &Cell) -> Option<&[u32]> {
        self.indexes
            .iter()
            .find(|index| index.field == field)
            .expect("an index is ensured before it is asked")
            .map
            .get(value)
            .map(Posting::slots)
    }

    /// The constraint that a row would break, as positions of its fields.
    pub(crate) fn conflict(&self, row: &Row, own: Option<u32>) -> Option<&[usize]> {
        self.uniques.iter().find_map(|unique| {
            let key = unique.key(row)?;
            let holder = unique.map.get(&key)?;
            (Some(*holder) != own).then_some(unique.fields.as_slice())
        })
    }

    pub(crate) fn insert(&mut self, row: Row) -> u32 {
        let slot = self.rows.len() as u32;
        self.rows.push(None);
        if let Some(id) = row[self.id].as_int() {
            self.next_id = self.next_id.max(id + 1);
        }
        self.put(slot, row);
        slot
    }

    /// Puts a row into an empty slot.
    pub(crate) fn put(&mut self, slot: u32, row: Row) {
        for index in &mut self.indexes {
            index.add(&row, slot);
        }
        for unique in &mut self.uniques {
            if let Some(key) = unique.key(&row) {
                unique.map.insert(key, slot);
            }
        }
        self.rows[slot as usize] = Some(row);
        self.live += 1;
    }

    /// Empties a slot; the last one disappears, so that undone inserts leave no holes.
    pub(crate) fn take(&mut self, slot: u32) -> Row {
        let row = self.rows[slot as usize].take().expect("only live rows are taken");
        for index in &mut self.indexes {
            index.remove(&row, slot);
        }
        for unique in &mut self.uniques {
            if let Some(key) = unique.key(&row) {
                unique.map.remove(&key);
            }
        }
        self.live -= 1;
        while self.rows.last().is_some_and(Option::is_none) {
            self.rows.pop();
        }
        row
    }

    /// Replaces a row and gives the old one; indexes of unchanged values are left alone.
    pub(crate) fn replace(&mut self, slot: u32, row: Row) -> Row {
        let old = self.row(slot).clone();
        for index in &mut self.indexes {
            if old[index.field] != row[index.field] {
                index.remove(&old, slot);
                index.add(&row, slot);
            }
        }
        for unique in &mut self.uniques {
            if unique.fields.iter().all(|field| old[*field] == row[*field]) {
                continue;
            }
            if let Some(key) = unique.key(&old) {
                unique.map.remove(&key);
            }
            if let Some(key) = unique.key(&row) {
                unique.map.insert(key, slot);
            }
        }
        self.rows[slot as usize] = Some(row);
        old
    }
}

impl Table {
    pub(crate) fn is_live(&self, slot: u32) -> bool {
        self.rows.get(slot as usize).is_some_and(Option::is_some)
    }

    /// Puts a deleted row back, also into a slot that has disappeared since.
    pub(crate) fn restore(&mut self, slot: u32, row: Row) {
        while self.rows.len() <= slot as usize {
            self.rows.push(None);
        }
        self.put(slot, row);
    }
}
