//! JavaScript behind walls: an interpreter without network, files, clock and true randomness, bounded in time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Object, Runtime};
use serde_json::Value;
use weir_model::config::{Bytes, Span};
use weir_model::{Error, Kind};

/// Of calls that call themselves; a small part of what a thread has.
const STACK_BYTES_MAX: usize = 512 * 1024;

/// Time stands still and dice are loaded, so that a repeated attempt gives the same.
const PRELUDE: &str = "(function (now, seed) {
  const Real = Date;
  globalThis.Date = class Date extends Real {
    constructor(...parts) { if (parts.length === 0) super(now); else super(...parts); }
    static now() { return now; }
  };
  Math.random = function () {
    seed = (seed + 0x6D2B79F5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  globalThis.performance = undefined;
})";

/// Text in, text out; the value of a missing `return` is told from every other.
const CALL: &str = "(function (name, entity, around) {
  const result = globalThis[name](JSON.parse(entity), JSON.parse(around));
  if (result instanceof Promise)
    throw new TypeError('`' + name + '` is async; here nothing can be awaited, so leave `async` out');
  const text = JSON.stringify(result);
  if (text === undefined)
    throw new TypeError('`' + name + '` returned nothing that JSON can say; return the entity');
  return text;
})";

/// A script file and what it may use.
#[derive(Clone)]
pub(super) struct Script {
    /// Path within the project.
    pub(super) file: String,
    pub(super) text: String,
    pub(super) function: String,
    pub(super) time: Span,
    pub(super) memory: Bytes,
}

/// What went wrong, and in which line of the file, where that is known.
pub(super) struct Fault {
    pub(super) line: Option<u32>,
    pub(super) error: Box<Error>,
}

impl Script {
    /// Runs the file without calling the function, which has to be there then.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.within(0, 0, &|_| Ok(()))
    }

    /// Calls the function. Each call has an interpreter of its own: nothing is left of the one before.
    pub(super) fn call(
        &self,
        entity: &Value,
        around: &Value,
        now_ms: i64,
        seed: i32,
    ) -> Result<Value, Fault> {
        let (entity, around) = (entity.to_string(), around.to_string());
        let text = self.within(now_ms, seed, &|ctx: &Ctx<'_>| {
            let call: Function<'_> = ctx.eval(CALL)?;
            call.call::<_, String>((self.function.as_str(), entity.as_str(), around.as_str()))
        })?;
        serde_json::from_str(&text).map_err(|error| Fault {
            line: None,
            error: Box::new(Error::new(
                Kind::Invalid,
                format!(
                    "{}: what `{}` returned cannot be read: {error}",
                    self.file, self.function
                ),
            )),
        })
    }

    fn within<T>(
        &self,
        now_ms: i64,
        seed: i32,
        work: &dyn Fn(&Ctx<'_>) -> rquickjs::Result<T>,
    ) -> Result<T, Fault> {
        let no_room = |error: rquickjs::Error| Fault {
            line: None,
            error: Box::new(Error::bug(format!(
                "could not make an interpreter for {}: {error}",
                self.file
            ))),
        };
        let runtime = Runtime::new().map_err(no_room)?;
        runtime.set_memory_limit(usize::try_from(self.memory.count).unwrap_or(usize::MAX));
        runtime.set_max_stack_size(STACK_BYTES_MAX);
        // The one place where real time counts: it bounds work, and no result depends on it.
        let (start, limit) = (Instant::now(), Duration::from_millis(self.time.ms));
        let is_late = Arc::new(AtomicBool::new(false));
        let flag = is_late.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || {
            let late = start.elapsed() > limit;
            flag.fetch_or(late, Ordering::Relaxed);
            late
        })));
        let context = Context::full(&runtime).map_err(no_room)?;
        context.with(|ctx| {
            let outcome = self.load(&ctx, now_ms, seed).and_then(|()| work(&ctx));
            outcome
                .catch(&ctx)
                .map_err(|caught| self.fault(&caught, is_late.load(Ordering::Relaxed)))
        })
    }

    fn load(&self, ctx: &Ctx<'_>, now_ms: i64, seed: i32) -> rquickjs::Result<()> {
        let prelude: Function<'_> = ctx.eval(PRELUDE)?;
        // Milliseconds since 1970 are exact in a double for as long as anybody will care.
        prelude.call::<_, ()>((now_ms as f64, seed))?;
        let mut options = EvalOptions::default();
        options.filename = Some(self.file.clone());
        ctx.eval_with_options::<(), _>(self.text.as_str(), options)?;
        let globals: Object<'_> = ctx.globals();
        if globals
            .get::<_, Option<Function<'_>>>(self.function.as_str())
            .ok()
            .flatten()
            .is_none()
        {
            let message = format!("there is no function `{}` in this file", self.function);
            return Err(rquickjs::Exception::throw_reference(ctx, &message));
        }
        Ok(())
    }

    fn fault(&self, caught: &CaughtError<'_>, is_late: bool) -> Fault {
        let (message, stack) = match caught {
            CaughtError::Exception(exception) => {
                let name: Option<String> = exception.as_object().get("name").ok();
                let message = exception.message().unwrap_or_default();
                let name = name
                    .filter(|name| name != "Error")
                    .map(|name| format!("{name}: "));
                (
                    format!("{}{message}", name.unwrap_or_default()),
                    exception.stack().unwrap_or_default(),
                )
            }
            CaughtError::Value(value) => {
                let text = value.as_string().and_then(|text| text.to_string().ok());
                (
                    text.unwrap_or_else(|| "something was thrown that is no Error".to_owned()),
                    String::new(),
                )
            }
            CaughtError::Error(error) => (error.to_string(), String::new()),
        };
        let line = line_in(&stack, &self.file);
        let place = match line {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        };
        let error = if is_late {
            let message = format!(
                "{place}: `{}` was stopped after the limit `time` of {}; look for a loop that does not end",
                self.function, self.time
            );
            Error::new(Kind::Limit, message).with("limit", "time")
        } else if message.contains("out of memory") {
            let message = format!(
                "{place}: `{}` needs more than the limit `memory` of {}",
                self.function, self.memory
            );
            Error::new(Kind::Limit, message).with("limit", "memory")
        } else if message.contains("stack overflow") || message.contains("call stack size") {
            let message = format!("{place}: `{}` calls itself too deeply: {message}", self.function);
            Error::new(Kind::Limit, message).with("limit", "stack")
        } else {
            Error::new(Kind::Invalid, format!("{place}: {message}"))
        };
        Fault {
            line,
            error: Box::new(error.with("file", &self.file)),
        }
    }
}

/// The first line of this file in a stack: `    at check (scripts/x.js:3:9)`.
fn line_in(stack: &str, file: &str) -> Option<u32> {
    let (_, rest) = stack.split_once(&format!("{file}:"))?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
