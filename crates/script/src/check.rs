//! Whether a script compiles: said when a workflow is checked, applied and deployed.

use rquickjs::{CatchResultExt, CaughtError, Context, Module, Runtime};

use crate::message::Place;
use crate::place::{SCRIPT, is_behind, told, wrapped};
use crate::{CODE_BYTES_MAX, engine};

/// Compiling needs little; a text that needs more is no script.
const MEMORY_BYTES_MAX: usize = 128 << 20;
const STACK_BYTES_MAX: usize = 256 << 10;

/// What is wrong with a script, and where in its text: both from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct ScriptProblem {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// Compiles a script. Nothing of it is carried out.
pub fn check(code: &str) -> Result<(), ScriptProblem> {
    let problem = |message: String| ScriptProblem { line: 1, column: 1, message };
    if code.len() > CODE_BYTES_MAX {
        return Err(problem(format!(
            "the script has {} bytes, more than {CODE_BYTES_MAX}",
            code.len()
        )));
    }
    // The engine's texts end with a zero.
    if code.contains('\0') {
        return Err(problem("a script has no zero characters".to_owned()));
    }
    let failed = |error: rquickjs::Error| problem(format!("the script engine failed: {error}"));
    let runtime = Runtime::new().map_err(failed)?;
    runtime.set_memory_limit(MEMORY_BYTES_MAX);
    runtime.set_max_stack_size(STACK_BYTES_MAX);
    let context = Context::full(&runtime).map_err(failed)?;
    context.with(|ctx| {
        let declared = Module::declare(ctx.clone(), SCRIPT, wrapped(code)).catch(&ctx);
        match declared {
            Ok(_) => Ok(()),
            Err(CaughtError::Exception(exception)) => {
                let stack = exception.stack().unwrap_or_default();
                let place = told(&stack, code).0.unwrap_or(Place { line: 1, column: 1 });
                let message = match is_behind(&stack, code) {
                    true => "the script ends where something is still open".to_owned(),
                    false => engine::words(&exception),
                };
                Err(ScriptProblem { line: place.line, column: place.column, message })
            }
            Err(error) => Err(problem(error.to_string())),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_script_is_told_with_its_place() {
        for (code, line, column, words) in [
            ("let a = ;", 1, 9, "unexpected token"),
            ("print('x')\n  if (", 2, 7, "still open"),
            ("let a = 1;\nlet a = 2;", 2, 7, "redefinition"),
            ("for (;;) {", 1, 11, "still open"),
            ("'abc", 1, 1, "string"),
            ("print(1)\0", 1, 1, "zero"),
            ("return 1 +", 1, 11, "still open"),
            ("yield 1; with (a) {}", 1, 1, "yield"),
        ] {
            let problem = check(code).unwrap_err();
            assert!(problem.message.contains(words), "{code}: {problem:?}");
            assert_eq!((problem.line, problem.column), (line, column), "{code}: {problem:?}");
        }
    }

    #[test]
    fn what_is_a_script_is_not_carried_out() {
        for code in [
            "",
            "// nothing",
            "return 'late'",
            "await execute({ command: ['true'] }); return { event: 'x' }",
            "for (;;) {}",
            "})(); for (;;) {} (async () => {",
            "const x = async () => { for await (const y of []) print(y) }",
        ] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
        assert!(check(&"(".repeat(100_000)).is_err());
        assert!(check(&"x".repeat(CODE_BYTES_MAX + 1)).is_err());
    }
}
