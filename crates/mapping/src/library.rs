//! The library of a project or a manifest: its functions and its maps, and what is compiled against them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jlens_core::Bindings;
use serde_json::Value;
use weir_model::{Address, Error, Finding};
use weir_sdk::expressions::{Expression, Expressions, Language, Map, Scope, Snippet};

use crate::compose::internal_name;
use crate::place::finding;
use crate::program::{Block, Names, Program};
use crate::session;
use crate::template::Template;
use crate::tokens::head_comment;

/// JSONata with Weir's functions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jsonata;

impl Language for Jsonata {
    fn library(
        &self,
        functions: Option<Snippet>,
        maps: BTreeMap<String, Snippet>,
    ) -> Result<Arc<dyn Expressions>, Vec<Finding>> {
        Ok(Arc::new(Project(Arc::new(Library::new(
            functions.as_ref(),
            &maps,
        )?))))
    }
}

pub(crate) struct Library {
    block: Option<Block>,
    names: Vec<String>,
    pub(crate) maps: BTreeMap<String, MapProgram>,
    pub(crate) bindings: Bindings,
}

pub(crate) struct MapProgram {
    pub(crate) program: Arc<Program>,
    head: Head,
}

impl Library {
    fn new(functions: Option<&Snippet>, maps: &BTreeMap<String, Snippet>) -> Result<Library, Vec<Finding>> {
        let mut findings = Vec::new();
        let names: Vec<String> = maps.keys().cloned().collect();
        let mut internal = BTreeMap::new();
        for (name, snippet) in maps {
            if let Some(other) = internal.insert(internal_name(name), name) {
                let message =
                    format!("the maps `{other}` and `{name}` differ only in signs; give one another name");
                findings.push(finding(snippet, 0, "map-name", message));
            }
        }
        let block = functions.and_then(|snippet| match Block::compile(snippet, &names) {
            Ok(block) => Some(block),
            Err(finding) => {
                findings.push(finding);
                None
            }
        });
        // With broken functions every call of one would be reported too.
        if functions.is_some() && block.is_none() {
            return Err(findings);
        }
        let mut programs = BTreeMap::new();
        for (name, snippet) in maps {
            let scope = Names {
                maps: &names,
                block: block.as_ref(),
            };
            let compiled = Head::read(snippet).and_then(|head| {
                let program = Arc::new(Program::compile(snippet, &scope)?);
                Ok(MapProgram { program, head })
            });
            match compiled {
                Ok(map) => drop(programs.insert(name.clone(), map)),
                Err(finding) => findings.push(finding),
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        Ok(Library {
            block,
            bindings: session::bindings(names.iter()),
            names,
            maps: programs,
        })
    }

    pub(crate) fn scope(&self) -> Names<'_> {
        Names {
            maps: &self.names,
            block: self.block.as_ref(),
        }
    }

    /// The program may call maps, which read bindings that the program itself does not name.
    pub(crate) fn maps_use(&self, program: &Program) -> bool {
        program.uses.iter().any(|name| name.starts_with("map_"))
    }
}

/// A library that can be shared.
struct Project(Arc<Library>);

impl Expressions for Project {
    fn expression(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding> {
        Ok(Arc::new(Compiled {
            program: Arc::new(Program::compile(snippet, &self.0.scope())?),
            library: self.0.clone(),
        }))
    }

    fn template(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding> {
        Ok(Arc::new(Template::compile(snippet, self)?))
    }

    fn map(&self, name: &str) -> Option<Map> {
        let map = self.0.maps.get(name)?;
        Some(Map {
            expression: Arc::new(Compiled {
                program: map.program.clone(),
                library: self.0.clone(),
            }),
            from: map.head.from.clone(),
            to: map.head.to.clone(),
            summary: map.head.summary.clone(),
        })
    }
}

struct Compiled {
    program: Arc<Program>,
    library: Arc<Library>,
}

impl Expression for Compiled {
    fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Option<Value>, Error> {
        session::evaluate(&self.program, &self.library, input, scope)
    }

    fn is_plain(&self) -> bool {
        self.program.is_plain
    }
}

/// What the comment at the head of a map says.
#[derive(Default)]
struct Head {
    summary: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Head {
    fn read(snippet: &Snippet) -> Result<Head, Finding> {
        let mut head = Head::default();
        let Some(comment) = head_comment(&snippet.text) else {
            return Ok(head);
        };
        let lines: Vec<&str> = comment
            .lines()
            .map(|line| line.trim().trim_start_matches('*').trim())
            .collect();
        let text = lines.join(" ");
        let (prose, tags) = text.split_at(text.find('@').unwrap_or(text.len()));
        let prose = prose.trim();
        let sentence = prose.find(". ").map_or(prose, |end| &prose[..=end]);
        head.summary = (!sentence.is_empty()).then(|| sentence.to_owned());
        for tag in tags.split('@').skip(1) {
            let (name, value) = tag
                .trim()
                .split_once(char::is_whitespace)
                .unwrap_or((tag.trim(), ""));
            let place = match name {
                "from" => &mut head.from,
                "to" => &mut head.to,
                _ => continue,
            };
            let value = value.trim();
            if value.parse::<Address>().is_err() || value.contains(char::is_whitespace) {
                let at = snippet.text.find(&format!("@{name}")).unwrap_or(0);
                let message = format!(
                    "`@{name}` names a schema as PREFIX/NAME, for example `@{name} base/product`; `{value}` is none"
                );
                return Err(finding(snippet, at, "map-head", message));
            }
            *place = Some(value.to_owned());
        }
        Ok(head)
    }
}
