//! The engine with one script in it: begun, answered, gone on with until it has ended.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::promise::PromiseState;
use rquickjs::{
    CatchResultExt, CaughtError, Coerced, Context, Ctx, Error, Exception, Function, Object,
    Persistent, Promise, Runtime, Value,
};

use crate::host::{Doom, Host, functions};
use crate::message::{Answer, Begin, How, Limit};
use crate::place::{OURS, SCRIPT, told, wrapped};
use crate::{ACTIVITIES, ELSEWHERE};

const PRELUDE: &str = include_str!("prelude.js");
const STACK_BYTES_MAX: usize = 512 << 10;

/// What the engine says when memory is short.
const OUT_OF_MEMORY: &str = "out of memory";

/// How a script stands after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It waits for answers.
    Waits,
    Ended {
        how: How,
        result: Option<String>,
    },
}

pub(crate) struct Engine {
    runtime: Runtime,
    context: Context,
    host: Rc<Host>,
    code: String,
    /// Answers calls; says what a script's own end means.
    ours: Option<Persistent<Object<'static>>>,
    main: Option<Persistent<Promise<'static>>>,
    refused: Refused,
}

/// Promises that were refused and that nothing has looked at.
type Refused = Rc<RefCell<Vec<(Persistent<Value<'static>>, Thrown)>>>;

#[derive(Debug, Clone, Default)]
struct Thrown {
    message: String,
    stack: String,
}

impl Engine {
    /// The engine with everything a script finds.
    pub(crate) fn new(begin: &Begin, host: Rc<Host>) -> Result<Self, Error> {
        let runtime = Runtime::new()?;
        let context = Context::full(&runtime)?;
        runtime.set_max_stack_size(STACK_BYTES_MAX);
        runtime.set_memory_limit(usize::try_from(begin.memory_bytes).unwrap_or(usize::MAX));
        let polled = host.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || polled.is_doomed())));
        let refused = Refused::default();
        let seen = refused.clone();
        runtime.set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx, promise, why, handled| track(&seen, &ctx, promise, why, handled),
        )));
        let mut engine = Self {
            runtime,
            context,
            host,
            code: begin.code.clone(),
            ours: None,
            main: None,
            refused,
        };
        engine.ours = Some(engine.prepare()?);
        Ok(engine)
    }

    fn prepare(&self) -> Result<Persistent<Object<'static>>, Error> {
        self.context.with(|ctx| {
            let prelude: Function<'_> = ctx.eval_with_options(PRELUDE, options(OURS))?;
            let all: Vec<&str> = ACTIVITIES.into_iter().chain(ELSEWHERE).collect();
            let activities = serde_json::to_string(&all).unwrap_or_default();
            let ours: Object<'_> = prelude.call((functions(&ctx, &self.host)?, activities))?;
            Ok(Persistent::save(&ctx, ours))
        })
    }

    /// Begins the script and goes on until it waits or has ended.
    pub(crate) fn begin(&mut self) -> Step {
        let begun = self.context.with(|ctx| {
            let begun = ctx
                .eval_with_options::<Function<'_>, _>(wrapped(&self.code), options(SCRIPT))
                .and_then(|main| main.call::<_, Promise<'_>>(()))
                .catch(&ctx);
            begun.map(|main| Persistent::save(&ctx, main)).map_err(|error| caught(&ctx, error))
        });
        match begun {
            Ok(main) => {
                self.main = Some(main);
                self.go_on()
            }
            Err(thrown) => self.ended_by(&thrown),
        }
    }

    /// Gives the script an answer and goes on until it waits or has ended.
    pub(crate) fn answer(&mut self, call: u64, answer: &Answer) -> Step {
        self.host.answered();
        let answered = self.context.with(|ctx| {
            let json = serde_json::to_string(answer).unwrap_or_default();
            let ours = self.ours(&ctx).map_err(|_| Thrown::default())?;
            ours.get::<_, Function<'_>>("answer")
                .and_then(|function| function.call::<_, ()>((call, json)))
                .catch(&ctx)
                .map_err(|error| caught(&ctx, error))
        });
        match answered {
            Ok(()) => self.go_on(),
            Err(thrown) => self.ended_by(&thrown),
        }
    }

    /// What a script that was ended from outside was, when it only waited.
    pub(crate) fn doomed(&self) -> Option<Step> {
        self.host.doom().map(|doom| self.by_doom(&doom, &Thrown::default()))
    }

    fn ours<'js>(&self, ctx: &Ctx<'js>) -> Result<Object<'js>, Error> {
        self.ours.clone().ok_or(Error::Unknown)?.restore(ctx)
    }

    fn go_on(&mut self) -> Step {
        loop {
            match self.runtime.execute_pending_job() {
                Ok(true) if !self.host.is_doomed() => {}
                Ok(_) => break,
                Err(failed) => {
                    let thrown = failed.0.with(|ctx| thrown(&ctx, ctx.catch()));
                    return self.ended_by(&thrown);
                }
            }
        }
        if let Some(step) = self.doomed() {
            return step;
        }
        let state = self.context.with(|ctx| self.settled(&ctx));
        match state {
            Settled::Not if self.host.open_calls() > 0 => Step::Waits,
            Settled::Not => Step::Ended {
                how: How::Threw {
                    message: "the script waits for a promise that nothing will settle".to_owned(),
                    place: None,
                    stack: String::new(),
                },
                result: None,
            },
            Settled::Threw(thrown) => self.ended_by(&thrown),
            // What it began and does not wait for is brought to its end.
            Settled::Ended { .. } if self.host.open_calls() > 0 => Step::Waits,
            Settled::Ended { how, result } => match self.refused.borrow().first() {
                Some((_, thrown)) => self.threw(thrown),
                None => Step::Ended { how, result },
            },
        }
    }

    fn settled(&self, ctx: &Ctx<'_>) -> Settled {
        let Some(Ok(main)) = self.main.clone().map(|main| main.restore(ctx)) else {
            return Settled::Threw(Thrown::default());
        };
        if main.state() == PromiseState::Pending {
            return Settled::Not;
        }
        match main.finish::<Value<'_>>().catch(ctx) {
            Ok(value) => match self.outcome(ctx, value).catch(ctx) {
                Ok(settled) => settled,
                Err(error) => Settled::Threw(caught(ctx, error)),
            },
            Err(error) => Settled::Threw(caught(ctx, error)),
        }
    }

    /// What the script returned means.
    fn outcome<'js>(&self, ctx: &Ctx<'js>, value: Value<'js>) -> Result<Settled, Error> {
        let ours = self.ours(ctx)?;
        let outcome: Function<'_> = ours.get("outcome")?;
        let said: Object<'_> = outcome.call((value,))?;
        if let Some(wrong) = said.get::<_, Option<String>>("wrong")? {
            return Ok(Settled::Threw(Thrown {
                message: format!(
                    "the script returned {wrong}: return the name of an event, an object with \
                     `event` and `result`, or nothing"
                ),
                stack: String::new(),
            }));
        }
        let event: Option<String> = said.get("event")?;
        let how = event.map_or(How::Done, How::Event);
        Ok(Settled::Ended { how, result: said.get("result")? })
    }

    fn ended_by(&self, thrown: &Thrown) -> Step {
        match self.host.doom() {
            Some(doom) => self.by_doom(&doom, thrown),
            None => self.threw(thrown),
        }
    }

    fn threw(&self, thrown: &Thrown) -> Step {
        let (place, stack) = told(&thrown.stack, &self.code);
        let how = if thrown.message.contains(OUT_OF_MEMORY) || self.is_full(thrown) {
            How::Ended { limit: Limit::Memory, place, stack }
        } else {
            How::Threw { message: thrown.message.clone(), place, stack }
        };
        Step::Ended { how, result: None }
    }

    /// Where not even the error has room, the engine throws `null`, and all is free again when it
    /// arrives here. A script that never says `null` cannot have thrown it.
    fn is_full(&self, thrown: &Thrown) -> bool {
        thrown.message.ends_with("threw null") && !self.code.contains("null")
    }

    fn by_doom(&self, doom: &Doom, thrown: &Thrown) -> Step {
        match doom {
            Doom::Exit { event, result } => Step::Ended {
                how: event.clone().map_or(How::Done, How::Event),
                result: result.clone(),
            },
            Doom::Limit(limit) => {
                let (place, stack) = told(&thrown.stack, &self.code);
                Step::Ended { how: How::Ended { limit: *limit, place, stack }, result: None }
            }
            Doom::Unheard => Step::Ended {
                how: How::Ended { limit: Limit::Cancelled, place: None, stack: String::new() },
                result: None,
            },
        }
    }
}

/// Remembers a refused promise until something looks at it.
fn track<'js>(
    refused: &Refused,
    ctx: &Ctx<'js>,
    promise: Value<'js>,
    why: Value<'js>,
    is_handled: bool,
) {
    refused
        .borrow_mut()
        .retain(|(kept, _)| kept.clone().restore(ctx).is_ok_and(|kept| kept != promise));
    if !is_handled {
        let thrown = thrown(ctx, why);
        refused.borrow_mut().push((Persistent::save(ctx, promise), thrown));
    }
}

/// What has become of the script's own promise.
enum Settled {
    Not,
    Threw(Thrown),
    Ended { how: How, result: Option<String> },
}

fn options(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = true;
    options.filename = Some(name.to_owned());
    options
}

fn caught<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Thrown {
    match error {
        CaughtError::Exception(exception) => of_exception(&exception),
        CaughtError::Value(value) => thrown(ctx, value),
        CaughtError::Error(error) => Thrown { message: error.to_string(), stack: String::new() },
    }
}

fn thrown<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Thrown {
    if let Some(exception) = value.as_object().cloned().and_then(Exception::from_object) {
        return of_exception(&exception);
    }
    let text = ctx
        .globals()
        .get::<_, Function<'_>>("String")
        .and_then(|function| function.call::<_, Coerced<String>>((value,)));
    let text = text.map(|text| text.0).unwrap_or_else(|_| {
        // What cannot even be shown must not be thrown again.
        drop(ctx.catch());
        "a value that has no text".to_owned()
    });
    Thrown { message: format!("the script threw {text}"), stack: String::new() }
}

fn of_exception(exception: &Exception<'_>) -> Thrown {
    Thrown { message: words(exception), stack: exception.stack().unwrap_or_default() }
}

/// `TypeError: not a function`.
pub(crate) fn words(exception: &Exception<'_>) -> String {
    let name: Option<Coerced<String>> = exception.as_object().get("name").ok();
    let message = exception.message().unwrap_or_default();
    match name.map(|name| name.0).filter(|name| !name.is_empty() && name != "Error") {
        Some(name) if message.is_empty() => name,
        Some(name) => format!("{name}: {message}"),
        None => message,
    }
}
