//! Fixed width: a line an object, its columns counted in signs. Values are texts without the signs that fill them up.

use serde_json::{Map, Value};
use weir_model::{Error, Kind};
use weir_sdk::codec::{Align, Codec, Content, Form};

use super::{Budget, bytes, cell, rows, unreadable, within};

pub(super) struct FixedWidth;

impl Codec for FixedWidth {
    fn name(&self) -> &'static str {
        "fixed_width"
    }
    fn summary(&self) -> &'static str {
        "a list of objects as lines with columns of fixed width in UTF-8"
    }
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let columns = columns(form)?;
        let text = within(bytes(content, self)?, form.bytes_max)?;
        let text = String::from_utf8(text).map_err(|_| unreadable(self, "it is not UTF-8"))?;
        let mut budget = Budget::new(form);
        let mut list = Vec::new();
        for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.is_empty() {
                continue;
            }
            let mut signs = line.chars();
            let mut row = Map::with_capacity(columns.len());
            for column in columns {
                let raw: String = signs.by_ref().take(column.width).collect();
                let value = match column.align {
                    Align::Left => raw.trim_end_matches(column.fill),
                    Align::Right => raw.trim_start_matches(column.fill),
                };
                budget.spend(column.name.len() + value.len())?;
                row.insert(column.name.clone(), Value::String(value.to_owned()));
            }
            let rest = signs.count();
            if rest > 0 {
                let why = format!("line {} is {rest} signs longer than the columns are", i + 1);
                return Err(unreadable(self, &why));
            }
            list.push(Value::Object(row));
        }
        Ok(Content::Value(Value::Array(list)))
    }
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let columns = columns(form)?;
        let mut text = String::new();
        for (i, row) in rows(content, self)?.iter().enumerate() {
            let Value::Object(fields) = row else {
                return Err(Error::new(Kind::Invalid, format!("row {i} is no object")));
            };
            for column in columns {
                let value = cell(self, i, &column.name, fields.get(&column.name))?;
                let signs = value.chars().count();
                if signs > column.width || value.contains(['\n', '\r']) {
                    let message = format!(
                        "`{}` of row {i} does not fit its column of {} signs: {value:?}",
                        column.name, column.width
                    );
                    return Err(Error::new(Kind::Invalid, message));
                }
                let fill = column.fill.to_string().repeat(column.width - signs);
                match column.align {
                    Align::Left => text.extend([value, fill]),
                    Align::Right => text.extend([fill, value]),
                }
            }
            text.push('\n');
            if text.len() as u64 > form.bytes_max {
                break;
            }
        }
        within(text.into_bytes(), form.bytes_max).map(Content::Bytes)
    }
}

fn columns(form: &Form) -> Result<&[weir_sdk::codec::Column], Error> {
    match form.fixed_width.columns.is_empty() {
        false => Ok(&form.fixed_width.columns),
        true => Err(Error::new(
            Kind::Configuration,
            "`fixed_width` needs `columns`, each with a name and a width",
        )),
    }
}
