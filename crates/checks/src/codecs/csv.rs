//! CSV (RFC 4180) as a list: of objects named by the first line, or without one of lists. Values are texts.

use serde_json::{Map, Value};
use weir_model::{Error, Kind};
use weir_sdk::codec::{Codec, Content, Form};

use super::{Budget, bytes, cell, rows, unreadable, within};

pub(super) struct Csv;

impl Codec for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }
    fn summary(&self) -> &'static str {
        "a list of objects (or of lists) as CSV text in UTF-8"
    }
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let text = within(bytes(content, self)?, form.bytes_max)?;
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(form)?)
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let mut budget = Budget::new(form);
        let mut names: Option<Vec<String>> = None;
        let mut list = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(self, &error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let values = record.iter();
            match &names {
                None if form.csv.header => names = Some(named(self, values)?),
                None => {
                    values.clone().try_for_each(|value| budget.spend(value.len()))?;
                    list.push(Value::Array(
                        values.map(|value| Value::String(value.to_owned())).collect(),
                    ));
                }
                Some(names) if names.len() != record.len() => {
                    let why = format!(
                        "line {line} has {} values and the first line names {} columns",
                        record.len(),
                        names.len()
                    );
                    return Err(unreadable(self, &why));
                }
                Some(names) => {
                    let mut row = Map::with_capacity(names.len());
                    for (name, value) in names.iter().zip(values) {
                        budget.spend(name.len() + value.len())?;
                        row.insert(name.clone(), Value::String(value.to_owned()));
                    }
                    list.push(Value::Object(row));
                }
            }
        }
        Ok(Content::Value(Value::Array(list)))
    }
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let rows = rows(content, self)?;
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter(form)?)
            .flexible(true)
            .from_writer(Vec::new());
        let names = match (form.csv.header, form.csv.columns.is_empty()) {
            (false, true) => Vec::new(),
            (_, false) => form.csv.columns.clone(),
            (true, true) => all_names(&rows),
        };
        let wrote = |outcome: Result<(), csv::Error>| {
            outcome.map_err(|error| Error::bug("CSV could not be written into memory").source(error))
        };
        if form.csv.header && !names.is_empty() {
            wrote(writer.write_record(&names))?;
        }
        for (i, row) in rows.iter().enumerate() {
            let cells: Vec<String> = match row {
                Value::Object(fields) if !names.is_empty() => {
                    let cells = names.iter().map(|name| cell(self, i, name, fields.get(name)));
                    cells.collect::<Result<_, _>>()?
                }
                Value::Array(values) if !form.csv.header => {
                    let cells = values.iter().enumerate();
                    cells
                        .map(|(place, value)| cell(self, i, &place.to_string(), Some(value)))
                        .collect::<Result<_, _>>()?
                }
                _ => {
                    let message = match form.csv.header {
                        true => {
                            format!("row {i} is no object; without names say `header: false` and give lists")
                        }
                        false => format!("row {i} is no list; objects need `columns`, which say their order"),
                    };
                    return Err(Error::new(Kind::Invalid, message));
                }
            };
            wrote(writer.write_record(&cells))?;
        }
        let text = writer
            .into_inner()
            .map_err(|error| Error::bug("CSV could not be written into memory").source(error))?;
        within(text, form.bytes_max).map(Content::Bytes)
    }
}

fn delimiter(form: &Form) -> Result<u8, Error> {
    match form.csv.delimiter.as_bytes() {
        [one] => Ok(*one),
        _ => Err(Error::new(
            Kind::Configuration,
            "the `delimiter` of CSV is one sign of ASCII, such as `;`",
        )),
    }
}

fn named<'a>(codec: &Csv, values: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for name in values.map(str::trim) {
        if name.is_empty() || names.iter().any(|known| known == name) {
            let why = match name.is_empty() {
                true => format!("column {} of the first line has no name", names.len() + 1),
                false => format!("the first line names the column `{name}` twice"),
            };
            return Err(unreadable(codec, &why));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// In the order in which they come up.
fn all_names(rows: &[Value]) -> Vec<String> {
    let mut names: Map<String, Value> = Map::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !names.contains_key(name) {
            names.insert(name.clone(), Value::Null);
        }
    }
    names.into_iter().map(|(name, _)| name).collect()
}
