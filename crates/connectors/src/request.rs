//! Requests of a manifest, compiled, and made for an input.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use weir_model::{Error, Finding, Kind};

use crate::manifest::types;
use crate::template::{Compiler, Template};

/// Escaped in a query.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'&')
    .add(b'+')
    .add(b'=')
    .add(b'%')
    .add(b'?')
    .add(b'{')
    .add(b'}')
    .add(b'[')
    .add(b']')
    .add(b'\'');

pub(crate) struct Request {
    pub(crate) method: String,
    path: Template,
    query: Vec<(Template, Template)>,
    headers: Vec<(String, Template)>,
    basic: Option<(Template, Template)>,
    body: Body,
}

enum Body {
    None,
    Json(Template),
    Form(Vec<(String, Template)>),
}

/// A request ready to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) method: String,
    /// A path below the base address, or a whole address.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Arc<[u8]>>,
}

impl Request {
    pub(crate) fn compile(request: &types::Request, compiler: &Compiler<'_>) -> Result<Request, Finding> {
        let texts = |map: &BTreeMap<String, String>| -> Result<Vec<(String, Template)>, Finding> {
            map.iter()
                .map(|(name, text)| Ok((name.clone(), compiler.text(text)?)))
                .collect()
        };
        let query = request
            .query
            .iter()
            .map(|(name, value)| {
                // The name may hold a parameter too: `filter[{{ RESOURCE }}.{{ field }}]`.
                Ok((compiler.text(name)?, compiler.template(value)?))
            })
            .collect::<Result<Vec<_>, Finding>>()?;
        let basic = match &request.basic {
            None => None,
            Some(basic) => {
                let part = |name: &str| compiler.text(basic.get(name).map_or("", String::as_str));
                Some((part("user")?, part("password")?))
            }
        };
        let body = match (&request.json, &request.form) {
            (Some(json), _) => Body::Json(compiler.template(json)?),
            (None, Some(form)) => Body::Form(texts(form)?),
            (None, None) => Body::None,
        };
        Ok(Request {
            method: request.method.clone(),
            path: compiler.text(&request.path)?,
            query,
            headers: texts(&request.headers)?,
            basic,
            body,
        })
    }

    pub(crate) fn make(&self, input: &Value) -> Result<Made, Error> {
        let path = match self.path.text(input)? {
            Some(path) => path,
            None => return Err(Error::new(Kind::Configuration, "the path of a request is null")),
        };
        let mut query = Vec::new();
        for (name, template) in &self.query {
            if let Some(value) = template.text(input)? {
                query.push((text(name, input)?, value));
            }
        }
        let mut headers = Vec::new();
        for (name, template) in &self.headers {
            if let Some(value) = template.text(input)? {
                headers.push((name.clone(), value));
            }
        }
        if let Some((user, password)) = &self.basic {
            headers.push((
                "Authorization".to_owned(),
                basic(&text(user, input)?, &text(password, input)?),
            ));
        }
        let body = match &self.body {
            Body::None => None,
            Body::Json(template) => {
                headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
                Some(template.evaluate(input)?.to_string().into_bytes().into())
            }
            Body::Form(fields) => {
                headers.push((
                    "Content-Type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ));
                let mut pairs = Vec::new();
                for (name, template) in fields {
                    if let Some(value) = template.text(input)? {
                        pairs.push((name.clone(), value));
                    }
                }
                Some(encode(&pairs).into_bytes().into())
            }
        };
        Ok(Made {
            method: self.method.clone(),
            path,
            query,
            headers,
            body,
        })
    }
}

fn text(template: &Template, input: &Value) -> Result<String, Error> {
    Ok(template.text(input)?.unwrap_or_default())
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    )
}

pub(crate) fn encode(pairs: &[(String, String)]) -> String {
    let part = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", part(name), part(value)))
        .collect();
    pairs.join("&")
}
