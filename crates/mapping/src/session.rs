//! One evaluation: limits, bindings, digits, and errors told in terms of the user's files.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use jlens_core::{Bindings, HostFunction, Options};
use scoped_tls_hkt::scoped_thread_local;
use serde_json::Value;
use weir_model::{Error, Kind};
use weir_sdk::expressions::Scope;

use crate::compose::internal_name;
use crate::digits::{Confused, Digits};
use crate::functions::{Call, Fault, Function, kind_of};
use crate::library::Library;
use crate::place::place;
use crate::program::Program;
use crate::trace::FieldTrace;

/// Steps of one evaluation: an entity of a megabyte needs some hundred thousand.
const STEPS_MAX: u64 = 5_000_000;
/// Time of one evaluation, the last net under the steps.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Nesting of calls within one evaluation.
const DEPTH_MAX: usize = 5_000;
/// Maps that call maps.
const MAPS_DEPTH_MAX: u32 = 32;
/// Bytes of a text that is built, and of a result.
const BYTES_MAX: usize = 64_000_000;
/// Items of a list that is built.
const ITEMS_MAX: usize = 2_000_000;

/// The code of errors that come from our functions.
const CODE_OWN: &str = "weir";

scoped_thread_local!(
    /// The evaluation that runs on this thread. The engine wants functions that own all they touch; what an evaluation
    /// borrows (the references above all) reaches them this way.
    static SESSION: for<'a> &'a Session<'a>
);

pub(crate) struct Session<'a> {
    pub(crate) scope: &'a Scope<'a>,
    library: &'a Library,
    digits: RefCell<Digits>,
    /// The error of a map within a map, which crosses the engine as it is.
    failure: RefCell<Option<Error>>,
    maps_depth: Cell<u32>,
    started: Instant,
    /// An evaluation is repeated to see where it fails; once is enough.
    tracing: Cell<bool>,
}

/// Evaluates a program for itself, with a session of its own.
pub(crate) fn evaluate(
    program: &Program,
    library: &Library,
    input: &Value,
    scope: &Scope<'_>,
) -> Result<Option<Value>, Error> {
    if let Some(value) = program.shortcut(input) {
        return Ok(value.cloned());
    }
    let session = Session {
        scope,
        library,
        digits: RefCell::default(),
        failure: RefCell::default(),
        maps_depth: Cell::new(0),
        started: Instant::now(),
        tracing: Cell::new(false),
    };
    SESSION.set(&session, || session.run(program, input))
}

impl Session<'_> {
    fn run(&self, program: &Program, input: &Value) -> Result<Option<Value>, Error> {
        let mut bindings = self.library.bindings.clone();
        {
            let mut digits = self.digits.borrow_mut();
            digits.remember(input);
            let nested = self.library.maps_use(program);
            for (name, value) in self.scope.bindings {
                let needed = program.uses.contains(*name) || program.uses.contains("eval");
                if needed || nested {
                    digits.remember(value);
                }
                if needed {
                    bindings = bindings.var(*name, (*value).clone());
                }
            }
        }
        if let Some(number) = self.digits.borrow().too_large() {
            return Err(self.unusable(
                program,
                &format!("the number {number} is too large; bring it as text"),
            ));
        }
        let options = Options::new()
            // One clock for all maps that call each other.
            .timeout(TIME_MAX.saturating_sub(self.started.elapsed()))
            .max_steps(STEPS_MAX)
            .max_depth(DEPTH_MAX)
            .max_string_length(BYTES_MAX)
            .max_array_length(ITEMS_MAX)
            .max_result_size(BYTES_MAX)
            .now(self.scope.now.as_millisecond())
            .seed(self.seed());
        let result = program.engine.evaluate_with(Some(input), &bindings, &options);
        let result = match result {
            Ok(None) => Ok(None),
            Ok(Some(mut value)) => match self.digits.borrow().restore(&mut value) {
                Ok(()) => Ok(Some(value)),
                Err(Confused(a, b)) => {
                    let why = format!(
                        "the numbers {a} and {b} have more digits than can be told apart; bring them as text"
                    );
                    Err(self.unusable(program, &why))
                }
            },
            Err(error) => {
                let error = self.explain(program, &error);
                Err(self.locate(program, input, &bindings, &options, error))
            }
        };
        // A function that caught nothing must not leave its error to the next.
        self.failure.borrow_mut().take();
        result
    }

    /// The same task has the same dice at every attempt.
    fn seed(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.scope.now.as_nanosecond().to_le_bytes());
        if let Some((_, task)) = self.scope.bindings.iter().find(|(name, _)| *name == "task") {
            hasher.update(
                task.get("id")
                    .map(Value::to_string)
                    .unwrap_or_default()
                    .as_bytes(),
            );
        }
        let mut seed = [0; 8];
        seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(seed)
    }

    /// A number of the input that the engine cannot carry.
    fn unusable(&self, program: &Program, why: &str) -> Error {
        let file = &program.origin(usize::MAX).0.file;
        Error::new(Kind::Invalid, format!("could not evaluate `{file}`: {why}")).with("file", file)
    }

    fn explain(&self, program: &Program, error: &jlens_core::Error) -> Error {
        if let Some(inner) = self.failure.borrow_mut().take() {
            return inner;
        }
        let kind = match error.code() {
            "D1011" | "D1012" | "U1001" | "U1003" | "U1006" => Kind::Limit,
            _ => Kind::Invalid,
        };
        let span = error.span();
        let (snippet, offset) = program.origin(span.map_or(0, |span| span.start));
        let (line, column) = place(snippet, offset);
        let shown = if line == 0 {
            snippet.file.clone()
        } else {
            format!("{}:{line}:{column}", snippet.file)
        };
        let mut message = format!("{shown}: {}", error.message());
        if error.code() != CODE_OWN
            && let Some(value) = error.value()
        {
            message.push_str(&format!(" (the value is {})", kind_of(value)));
        }
        let mut result = Error::new(kind, message)
            .with("file", &snippet.file)
            .with("line", line)
            .with("column", column);
        if error.code() != CODE_OWN {
            result = result.with("jsonata", error.code());
        }
        if let Some(span) = span {
            if let Some(field) = program.target_field(span) {
                result = result.with("field", field);
            }
            if let Some(text) = snippet.text.get(offset..offset + (span.end - span.start)) {
                result = result.with("expression", cut(text));
            }
        }
        if let Some(value) = error.value() {
            result = result.with("value", cut(&value.to_string()));
        }
        result
    }

    /// Adds the field of the result, where the place in the text does not tell it.
    fn locate(
        &self,
        program: &Program,
        input: &Value,
        bindings: &Bindings,
        options: &Options,
        mut error: Error,
    ) -> Error {
        let within = error.get("file") == Some(&program.origin(usize::MAX).0.file);
        let known = within && error.get("field").is_some();
        if known || error.kind == Kind::Limit || self.maps_depth.get() > 0 || self.tracing.replace(true) {
            return error;
        }
        let mut trace = FieldTrace::default();
        // It fails as before; what it says is known.
        let _ = program
            .engine
            .evaluate_traced(Some(input), bindings, options, &mut trace);
        if let Some(outer) = trace.field() {
            let position = error.context.iter().position(|(name, _)| name == "field");
            match position {
                Some(at) => error.context[at].1 = format!("{outer}.{}", error.context[at].1),
                None => error = error.with("field", outer),
            }
        }
        error
    }

    /// `$map.NAME(input)`: the map sees its argument as root and the same bindings.
    fn call_map(&self, name: &str, input: Option<&Value>) -> Result<Option<Value>, Error> {
        let Some(input) = input else { return Ok(None) };
        let Some(program) = self.library.maps.get(name) else {
            return Err(Error::bug(format!(
                "the map `{name}` is called and not in its library"
            )));
        };
        let depth = self.maps_depth.get();
        if depth >= MAPS_DEPTH_MAX {
            return Err(Error::new(
                Kind::Limit,
                format!(
                    "maps call each other more than {MAPS_DEPTH_MAX} deep, at last `{name}`; look for a map that calls itself"
                ),
            ));
        }
        self.maps_depth.set(depth + 1);
        let result = self.run(&program.program, input);
        self.maps_depth.set(depth);
        result
    }

    fn restore(&self, arguments: &[Option<Value>]) -> Vec<Option<Value>> {
        let digits = self.digits.borrow();
        arguments
            .iter()
            .map(|argument| {
                let mut argument = argument.clone();
                if let Some(value) = &mut argument {
                    // What cannot be told apart stays as the engine has it; the result is checked again.
                    let _ = digits.restore(value);
                }
                argument
            })
            .collect()
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The functions that every evaluation of a library sees.
pub(crate) fn bindings<'a>(maps: impl Iterator<Item = &'a String>) -> Bindings {
    let mut bindings = Bindings::new();
    for (_, function) in crate::functions::all() {
        bindings = bindings.function(function.name, host(function));
    }
    for name in maps {
        // Written plain or in backticks, which become underscores.
        for written in [name.clone(), format!("`{name}`")] {
            bindings = bindings.function(internal_name(&written), map(name.clone()));
        }
    }
    bindings
}

fn map(name: String) -> HostFunction {
    HostFunction::new(1, move |arguments, _| {
        SESSION.with(|session| {
            let arguments = session.restore(arguments);
            let input = arguments.first().and_then(Option::as_ref);
            session.call_map(&name, input).map_err(|error| {
                let message = error.message.clone();
                *session.failure.borrow_mut() = Some(error);
                jlens_core::Error::new(CODE_OWN).with("message", message)
            })
        })
    })
    .without_input()
}

fn host(function: &'static Function) -> HostFunction {
    HostFunction::new(function.arguments.1, move |arguments, host| {
        SESSION.with(|session| {
            if let Some(message) = function.wrong_count(arguments.len()) {
                return Err(jlens_core::Error::new(CODE_OWN).with("message", message));
            }
            let call = Call {
                arguments: session.restore(arguments),
                host,
                session,
            };
            match (function.body)(&call) {
                Ok(value) => {
                    if let Some(value) = &value {
                        session.digits.borrow_mut().remember(value);
                    }
                    Ok(value)
                }
                Err(Fault::Inner(error)) => Err(error),
                Err(Fault::Own(message)) => Err(jlens_core::Error::new(CODE_OWN).with("message", message)),
                Err(Fault::Says(message, value)) => {
                    let error = jlens_core::Error::new(CODE_OWN)
                        .with("message", format!("`${}` {message}", function.name));
                    Err(match value {
                        Some(value) => error.with("value", value),
                        None => error,
                    })
                }
            }
        })
    })
    .without_input()
}
