//! XML as a value: an element with text only is a text, every other one an object; `@name` is an attribute, `#text` the
//! text between elements, and elements of one name become a list. A document type is refused, so that no entity expands.

use quick_xml::Writer;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};
use weir_model::{Error, Kind};
use weir_sdk::codec::{Codec, Content, Form};

use super::{bytes, unreadable, value, within};

/// Elements in elements.
const DEPTH_MAX: usize = 100;

pub(super) struct Xml;

impl Codec for Xml {
    fn name(&self) -> &'static str {
        "xml"
    }
    fn summary(&self) -> &'static str {
        "an object with the one outermost element, as XML text in UTF-8"
    }
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let text = within(bytes(content, self)?, form.bytes_max)?;
        let text = String::from_utf8(text).map_err(|_| unreadable(self, "it is not UTF-8"))?;
        read(text.trim_start_matches('\u{feff}')).map(Content::Value)
    }
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let value = value(content, self)?;
        let Some((name, root)) = value
            .as_object()
            .filter(|o| o.len() == 1)
            .and_then(|o| o.iter().next())
        else {
            let message = "`xml` takes an object with one field, which names the outermost element";
            return Err(Error::new(Kind::Invalid, message));
        };
        let mut writer = Writer::new(Vec::new());
        write(&mut writer, name, root, 0)?;
        within(writer.into_inner(), form.bytes_max).map(Content::Bytes)
    }
}

#[derive(Default)]
struct Element {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

fn read(text: &str) -> Result<Value, Error> {
    let wrong = |why: &str| unreadable(&Xml, why);
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        let event = reader
            .read_event()
            .map_err(|error| wrong(&format!("{error} (byte {})", reader.error_position())))?;
        match event {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    let message = format!("elements are nested more than {DEPTH_MAX} deep");
                    return Err(Error::new(Kind::Limit, message).with("limit", "depth"));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                close(&mut open, element);
            }
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    close(&mut open, element);
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(sign)) => add(&mut open, sign.encode_utf8(&mut [0; 4])),
                Ok(None) => match resolve_predefined_entity(&name) {
                    Some(text) => add(&mut open, text),
                    None => return Err(wrong(&format!("the entity `&{};` is not known", &*name))),
                },
                Err(error) => return Err(wrong(&error.to_string())),
            },
            Event::DocType(_) => return Err(wrong("a document type (`<!DOCTYPE`) is not taken")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(document), true) if document.fields.len() == 1 && document.text.trim().is_empty() => {
            match document.fields.values().next() {
                Some(Value::Array(_)) => Err(wrong("it has more than one outermost element")),
                _ => Ok(Value::Object(document.fields)),
            }
        }
        (Some(element), false) => Err(wrong(&format!("the element `{}` never ends", element.name))),
        _ => Err(wrong("it needs one outermost element, and nothing beside it")),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, Error> {
    let mut fields = Map::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| unreadable(&Xml, &error.to_string()))?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| unreadable(&Xml, &error.to_string()))?;
        let name = attribute.key.as_ref();
        fields.insert(format!("@{name}"), Value::String(value.into_owned()));
    }
    Ok(Element {
        name: start.name().as_ref().to_owned(),
        fields,
        text: String::new(),
    })
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// The element becomes a field of the one around it.
fn close(open: &mut [Element], element: Element) {
    let Element {
        name,
        mut fields,
        text,
    } = element;
    let value = match fields.is_empty() {
        true => Value::String(text),
        false => {
            if !text.trim().is_empty() {
                fields.insert("#text".to_owned(), Value::String(text.trim().to_owned()));
            }
            Value::Object(fields)
        }
    };
    let Some(around) = open.last_mut() else { return };
    match around.fields.get_mut(&name) {
        None => drop(around.fields.insert(name, value)),
        Some(Value::Array(all)) => all.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

fn write(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value, depth: usize) -> Result<(), Error> {
    let wrong = |message: String| Error::new(Kind::Invalid, message);
    if depth > DEPTH_MAX {
        return Err(wrong(format!("values are nested more than {DEPTH_MAX} deep")));
    }
    if !is_name(name) {
        return Err(wrong(format!(
            "`{name}` cannot be the name of an element or attribute in XML"
        )));
    }
    let failed = |error: std::io::Error| Error::bug(format!("could not write XML into memory: {error}"));
    let mut start = BytesStart::new(name);
    let (mut text, mut inner) = (String::new(), Vec::new());
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match field.strip_prefix('@') {
                    _ if field == "#text" => text = plain(value),
                    Some(attribute) if is_name(attribute) => {
                        start.push_attribute((attribute, plain(value).as_str()));
                    }
                    Some(_) => {
                        return Err(wrong(format!(
                            "`{field}` cannot be the name of an attribute in XML"
                        )));
                    }
                    None => inner.push((field, value)),
                }
            }
        }
        Value::Array(_) => {
            return Err(wrong(format!(
                "`{name}` is a list in a list, which XML cannot say"
            )));
        }
        other => text = plain(other),
    }
    writer.write_event(Event::Start(start)).map_err(failed)?;
    if !text.is_empty() {
        writer
            .write_event(Event::Text(BytesText::new(&text)))
            .map_err(failed)?;
    }
    for (field, value) in inner {
        match value {
            Value::Array(all) => {
                for one in all {
                    write(writer, field, one, depth + 1)?;
                }
            }
            one => write(writer, field, one, depth + 1)?,
        }
    }
    writer
        .write_event(Event::End(BytesEnd::new(name)))
        .map_err(failed)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
