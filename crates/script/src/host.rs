//! What the worker itself does for a script: counting, remembering, asking.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rquickjs::function::Func;
use rquickjs::{Ctx, Exception, Object};

use crate::message::{Begin, Call, FromWorker, Limit, Stop};

/// What a script may set of the run's variables, all together.
pub const VARIABLES_BYTES_MAX: usize = 1 << 20;
/// One print; what is longer is cut.
const PRINT_BYTES_MAX: usize = 256 << 10;

/// What the engine polls: whether somebody outside wants the script to end.
#[derive(Debug, Default)]
pub(crate) struct Asked(AtomicU8);

impl Asked {
    pub(crate) fn stop(&self, why: Stop) {
        let code = match why {
            Stop::Time => 1,
            Stop::Cancelled => 2,
        };
        // The first reason stays.
        let _ = self.0.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn limit(&self) -> Option<Limit> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Limit::Time),
            _ => Some(Limit::Cancelled),
        }
    }
}

/// Why a script goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doom {
    /// It called `exit`.
    Exit {
        event: Option<String>,
        result: Option<String>,
    },
    Limit(Limit),
    /// The agent cannot be told any more.
    Unheard,
}

/// Where frames for the agent go; false when they cannot.
pub(crate) type Send = Box<dyn FnMut(&FromWorker) -> Result<(), String>>;

pub(crate) struct Host {
    asked: Arc<Asked>,
    doom: RefCell<Option<Doom>>,
    operations_left: Cell<u32>,
    context: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    variables: RefCell<BTreeMap<String, String>>,
    send: RefCell<Send>,
    /// Calls that are not answered.
    open: Cell<usize>,
}

impl Host {
    pub(crate) fn new(begin: &Begin, asked: Arc<Asked>, send: Send) -> Rc<Self> {
        Rc::new(Self {
            asked,
            doom: RefCell::new(None),
            operations_left: Cell::new(begin.operations),
            context: begin.context.clone(),
            facts: begin.facts.clone(),
            variables: RefCell::default(),
            send: RefCell::new(send),
            open: Cell::new(0),
        })
    }

    /// Why the script goes no further, if it does not.
    pub(crate) fn doom(&self) -> Option<Doom> {
        let known = self.doom.borrow().clone();
        known.or_else(|| self.asked.limit().map(Doom::Limit))
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.doom.borrow().is_some() || self.asked.limit().is_some()
    }

    pub(crate) fn open_calls(&self) -> usize {
        self.open.get()
    }

    pub(crate) fn answered(&self) {
        self.open.set(self.open.get().saturating_sub(1));
    }

    pub(crate) fn take_variables(&self) -> BTreeMap<String, String> {
        self.variables.take()
    }

    fn end(&self, ctx: &Ctx<'_>, doom: Doom) -> rquickjs::Error {
        self.doom.borrow_mut().get_or_insert(doom);
        Exception::throw_internal(ctx, "the script has ended")
    }

    /// One more operation, unless the script may do no more.
    fn count(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        if self.is_doomed() {
            return Err(Exception::throw_internal(ctx, "the script has ended"));
        }
        match self.operations_left.get().checked_sub(1) {
            Some(left) => {
                self.operations_left.set(left);
                Ok(())
            }
            None => Err(self.end(ctx, Doom::Limit(Limit::Operations))),
        }
    }

    fn say(&self, ctx: &Ctx<'_>, what: &FromWorker) -> rquickjs::Result<()> {
        let sent = (self.send.borrow_mut())(what);
        sent.map_err(|why| match why.is_empty() {
            true => self.end(ctx, Doom::Unheard),
            false => Exception::throw_range(ctx, &why),
        })
    }

    fn call(&self, ctx: &Ctx<'_>, id: u64, call: &str) -> rquickjs::Result<()> {
        self.count(ctx)?;
        let call: Call = serde_json::from_str(call)
            .map_err(|error| Exception::throw_type(ctx, &format!("no such call: {error}")))?;
        self.say(ctx, &FromWorker::Call { id, call })?;
        self.open.set(self.open.get() + 1);
        Ok(())
    }

    fn print(&self, ctx: &Ctx<'_>, mut text: String) -> rquickjs::Result<()> {
        self.count(ctx)?;
        if text.len() > PRINT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(PRINT_BYTES_MAX));
            text.push_str("… (cut)\n");
        }
        self.say(ctx, &FromWorker::Print(text))
    }

    fn get(&self, name: &str) -> Option<String> {
        let set = self.variables.borrow().get(name).cloned();
        set.or_else(|| self.context.get(name).cloned())
    }

    fn set(&self, ctx: &Ctx<'_>, name: String, value: String) -> rquickjs::Result<()> {
        self.count(ctx)?;
        if !is_variable(&name) {
            let why = format!(
                "`{name}` cannot be set: a variable's name is a letter or `_`, then letters, \
                 digits and `_`, at most 64, and none of {}",
                ROOTS.join(", ")
            );
            return Err(Exception::throw_range(ctx, &why));
        }
        let mut variables = self.variables.borrow_mut();
        let others = variables.iter().filter(|(other, _)| **other != name);
        let size: usize = others.map(|(name, value)| name.len() + value.len()).sum();
        if size + name.len() + value.len() > VARIABLES_BYTES_MAX {
            let why = format!("variables set by one script hold {VARIABLES_BYTES_MAX} bytes");
            return Err(Exception::throw_range(ctx, &why));
        }
        variables.insert(name, value);
        Ok(())
    }
}

/// Names that are the context's own.
const ROOTS: [&str; 5] = ["computer", "deployment", "run", "agent", "activities"];

fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|next| next.is_ascii_alphanumeric() || next == '_')
        && name.len() <= 64
        && !ROOTS.contains(&name)
}

/// The few functions that everything a script finds is made of.
pub(crate) fn functions<'js>(ctx: &Ctx<'js>, host: &Rc<Host>) -> rquickjs::Result<Object<'js>> {
    let all = Object::new(ctx.clone())?;
    let own = host.clone();
    let call = move |ctx: Ctx<'_>, id: u64, call: String| own.call(&ctx, id, &call);
    all.set("call", Func::from(call))?;
    let own = host.clone();
    let print = move |ctx: Ctx<'_>, text: String| own.print(&ctx, text);
    all.set("print", Func::from(print))?;
    let own = host.clone();
    all.set("get", Func::from(move |name: String| own.get(&name)))?;
    let own = host.clone();
    let set = move |ctx: Ctx<'_>, name: String, value: String| own.set(&ctx, name, value);
    all.set("set", Func::from(set))?;
    let own = host.clone();
    let facts = move |ctx: Ctx<'_>| {
        serde_json::to_string(&own.facts)
            .map_err(|error| Exception::throw_internal(&ctx, &error.to_string()))
    };
    all.set("facts", Func::from(facts))?;
    let own = host.clone();
    let exit = move |ctx: Ctx<'_>, event: Option<String>, result: Option<String>| {
        Err::<(), _>(own.end(&ctx, Doom::Exit { event, result }))
    };
    all.set("exit", Func::from(exit))?;
    Ok(all)
}
