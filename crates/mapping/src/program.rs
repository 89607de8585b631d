//! A compiled text: what the engine needs, what it reads, and where each part of it stands in the user's files.

use std::collections::BTreeSet;

use jlens_core::ast::{Attrs, Node, NodeKind, Span};
use serde_json::Value;
use weir_model::{Finding, did_you_mean};
use weir_sdk::expressions::Snippet;

use crate::compose::{block_content, rewrite_maps, unclosed};
use crate::functions;
use crate::place::{finding, place};

pub(crate) struct Program {
    pub(crate) engine: jlens_core::Expression,
    /// Which bytes of the composed text come from where, in order.
    segments: Vec<Segment>,
    /// Names of all variables and functions that are read, without `$`.
    pub(crate) uses: BTreeSet<String>,
    /// It can never ask for a reference.
    pub(crate) is_plain: bool,
    /// The names of a text that is nothing but `a.b.c`.
    path: Option<Vec<String>>,
}

struct Segment {
    /// First byte in the composed text, and the byte of the snippet that it is.
    start: usize,
    offset: usize,
    snippet: Snippet,
}

/// The functions of a project.
pub(crate) struct Block {
    snippet: Snippet,
    /// The assignments, calls of maps rewritten.
    content: String,
    offset: usize,
    pub(crate) names: BTreeSet<String>,
    uses: BTreeSet<String>,
}

/// What a text may call.
pub(crate) struct Names<'a> {
    pub(crate) maps: &'a [String],
    pub(crate) block: Option<&'a Block>,
}

impl Program {
    pub(crate) fn compile(snippet: &Snippet, names: &Names<'_>) -> Result<Program, Finding> {
        let text = rewrite_maps(snippet, names.maps)?;
        let alone = parse(snippet, &text)?;
        let found = walk(&alone.ast().root);
        check_calls(snippet, &found, names)?;
        let own = Segment {
            start: 0,
            offset: 0,
            snippet: snippet.clone(),
        };
        let mut program = Program {
            is_plain: asks_nothing(&found.uses),
            path: path(&alone.ast().root),
            uses: found.uses,
            segments: vec![own],
            engine: alone,
        };
        // Without a name of the project's functions there is no reason to carry them.
        let Some(block) = names
            .block
            .filter(|block| !block.names.is_disjoint(&program.uses))
        else {
            return Ok(program);
        };
        let before = format!("({};\n", block.content);
        program.segments[0].start = before.len();
        program.segments.insert(
            0,
            Segment {
                start: 1,
                offset: block.offset,
                snippet: block.snippet.clone(),
            },
        );
        program.engine = parse(snippet, &format!("{before}{text}\n)"))?;
        program.is_plain &= asks_nothing(&block.uses);
        program.uses.extend(block.uses.iter().cloned());
        Ok(program)
    }

    /// The result of a path of names, read straight from the input, where that is the same as what the engine gives:
    /// objects all the way, and at its end anything but a list that the engine might unwrap. `None` leaves it to the
    /// engine. Spares the engine's copy of an input that may be a whole answer of an API.
    pub(crate) fn shortcut<'a>(&self, input: &'a Value) -> Option<Option<&'a Value>> {
        let mut value = input;
        for name in self.path.as_ref()? {
            match value.as_object()?.get(name) {
                Some(next) => value = next,
                None => return Some(None),
            }
        }
        let unwraps = value.as_array().is_some_and(|items| items.len() < 2);
        (!unwraps).then_some(Some(value))
    }

    /// The snippet and its byte for a byte of the composed text.
    pub(crate) fn origin(&self, at: usize) -> (&Snippet, usize) {
        let segment = self
            .segments
            .iter()
            .rev()
            .find(|segment| segment.start <= at)
            .unwrap_or(&self.segments[0]);
        (
            &segment.snippet,
            segment.offset + at.saturating_sub(segment.start),
        )
    }

    /// The field of the result that is made where the error is: `prices`, `localized.name`.
    pub(crate) fn target_field(&self, span: Span) -> Option<String> {
        let own = self.segments.last()?;
        if span.start < own.start {
            return None;
        }
        let mut parts: Vec<&str> = Vec::new();
        let mut node = &self.engine.ast().root;
        loop {
            if let NodeKind::Object { pairs } = &node.kind {
                for (key, value) in pairs {
                    if covers(value, span)
                        && let NodeKind::String { value: name } = &key.kind
                    {
                        parts.push(name);
                    }
                }
            }
            let mut next = None;
            node.for_each_child(|child| {
                if next.is_none() && covers(child, span) {
                    next = Some(child);
                }
            });
            match next {
                Some(child) => node = child,
                None => break,
            }
        }
        (!parts.is_empty()).then(|| parts.join("."))
    }
}

/// The place lies within the node; a node's own span may leave out its predicates, so children are asked too.
fn covers(node: &Node, span: Span) -> bool {
    if node.span.start <= span.start && span.end <= node.span.end {
        return true;
    }
    let mut found = false;
    node.for_each_child(|child| found = found || covers(child, span));
    found
}

impl Block {
    /// Reads `( $a := …; $b := … )`.
    pub(crate) fn compile(snippet: &Snippet, maps: &[String]) -> Result<Block, Finding> {
        let text = rewrite_maps(snippet, maps)?;
        let engine = parse(snippet, &text)?;
        let shape = |at: usize| {
            finding(
                snippet,
                at,
                "functions",
                "a file of functions is one block of assignments in parentheses: `( $a := function($x){ … }; $b := … )`",
            )
        };
        let root = &engine.ast().root;
        let NodeKind::Block { exprs, .. } = &root.kind else {
            return Err(shape(root.span.start));
        };
        let mut names = BTreeSet::new();
        for node in exprs {
            let NodeKind::Bind { lhs, .. } = &node.kind else {
                return Err(shape(node.span.start));
            };
            let NodeKind::Variable { name } = &lhs.kind else {
                return Err(shape(node.span.start));
            };
            names.insert(name.clone());
        }
        let content = block_content(&text).ok_or_else(|| shape(0))?;
        let found = walk(root);
        check_calls(snippet, &found, &Names { maps, block: None })?;
        Ok(Block {
            snippet: snippet.clone(),
            offset: content.start,
            content: text[content].to_owned(),
            names,
            uses: found.uses,
        })
    }
}

fn path(root: &Node) -> Option<Vec<String>> {
    // Filters, `[]`, groups and bindings are attributes; a node without any is written as an empty object.
    let is_bare = |attrs: &Attrs| serde_json::to_string(attrs).is_ok_and(|text| text == "{}");
    let name = |node: &Node| match &node.kind {
        NodeKind::Name { name } if is_bare(&node.attrs) => Some(name.clone()),
        _ => None,
    };
    match &root.kind {
        NodeKind::Path {
            steps,
            keep_singleton_array: false,
        } if is_bare(&root.attrs) => steps.iter().map(name).collect(),
        _ => None,
    }
}

fn asks_nothing(uses: &BTreeSet<String>) -> bool {
    !uses
        .iter()
        .any(|name| name == "ref" || name == "link" || name == "eval" || name.starts_with("map_"))
}

fn parse(snippet: &Snippet, text: &str) -> Result<jlens_core::Expression, Finding> {
    jlens_core::Expression::compile(text).map_err(|error| {
        if let Some(finding) = unclosed(snippet) {
            return finding;
        }
        let at = error.span().map_or(text.len(), |span| span.start);
        finding(
            snippet,
            at,
            "expression",
            format!("this is not an expression of JSONata: {}", error.message()),
        )
    })
}

/// What a text reads and defines.
pub(crate) struct Found {
    pub(crate) uses: BTreeSet<String>,
    pub(crate) defined: BTreeSet<String>,
    /// Names that are called, and where.
    calls: Vec<(String, usize)>,
    /// Calls of functions: name, number of arguments, place.
    counts: Vec<(String, usize, usize)>,
    /// Every variable that is read, and where.
    pub(crate) reads: Vec<(String, usize)>,
}

pub(crate) fn walk(root: &Node) -> Found {
    let mut found = Found {
        uses: BTreeSet::new(),
        defined: BTreeSet::new(),
        calls: Vec::new(),
        counts: Vec::new(),
        reads: Vec::new(),
    };
    // `value ~> $f(x)` calls `$f` with one argument more than stands there.
    let mut applied = BTreeSet::new();
    root.walk(&mut |node| {
        match &node.kind {
            NodeKind::Variable { name } => {
                found.uses.insert(name.clone());
                found.reads.push((name.clone(), node.span.start));
            }
            NodeKind::Function { procedure, args } | NodeKind::Partial { procedure, args } => {
                if let Some((name, at)) = variable(procedure) {
                    found.calls.push((name.to_owned(), at));
                    let count = args.len() + usize::from(applied.contains(&node.id));
                    found.counts.push((name.to_owned(), count, at));
                }
            }
            NodeKind::Apply { rhs, .. } => {
                applied.insert(rhs.id);
                if let Some((name, at)) = variable(rhs) {
                    found.calls.push((name.to_owned(), at));
                }
            }
            NodeKind::Bind { lhs, .. } => {
                if let Some((name, _)) = variable(lhs) {
                    found.defined.insert(name.to_owned());
                }
            }
            NodeKind::Lambda(definition) => found.defined.extend(definition.params.iter().cloned()),
            _ => {}
        }
        found.defined.extend(node.attrs.focus.clone());
        found.defined.extend(node.attrs.index.clone());
        for stage in &node.attrs.stages {
            if let jlens_core::ast::Stage::Index { var, .. } = stage {
                found.defined.insert(var.clone());
            }
        }
    });
    found
}

fn variable(node: &Node) -> Option<(&str, usize)> {
    match &node.kind {
        NodeKind::Variable { name } => Some((name, node.span.start)),
        NodeKind::Path { steps, .. } if steps.len() == 1 => variable(&steps[0]),
        _ => None,
    }
}

impl Found {
    /// Everything that may stand after a `$` here, apart from what callers bind.
    pub(crate) fn known(&self, names: &Names<'_>) -> BTreeSet<String> {
        let mut known = self.defined.clone();
        known.extend(
            jlens_core::function_catalog()
                .into_iter()
                .map(|function| function.name.to_owned()),
        );
        known.extend(functions::all().map(|(_, function)| function.name.to_owned()));
        known.extend(names.block.iter().flat_map(|block| block.names.iter().cloned()));
        known
    }
}

fn check_calls(snippet: &Snippet, found: &Found, names: &Names<'_>) -> Result<(), Finding> {
    if found.calls.is_empty() {
        return Ok(());
    }
    let known = found.known(names);
    for (name, at) in &found.calls {
        if name.is_empty() || name == "$" || known.contains(name) || name.starts_with("map_") {
            continue;
        }
        let suggestion =
            did_you_mean(name, known.iter().map(String::as_str)).map(|text| text.replacen('`', "`$", 1));
        let (line, column) = place(snippet, *at);
        return Err(Finding::error(
            "unknown-function",
            &snippet.file,
            line,
            column,
            format!("there is no function `${name}`"),
        )
        .suggest(suggestion));
    }
    for (name, count, at) in &found.counts {
        let own = functions::all().find(|(_, function)| function.name == name);
        if let Some((_, function)) = own
            && !found.defined.contains(name)
            && let Some(message) = function.wrong_count(*count)
        {
            return Err(finding(snippet, *at, "arguments", message));
        }
    }
    Ok(())
}
