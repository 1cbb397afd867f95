//! Scripts in a worker of this process: what they can do, what ends them, how that is told.

mod agent;

use agent::{Agent, Asked, ended, threw};
use script::{Answer, Call, How, Limit, Place};

fn ok(outputs: &[(&str, &str)]) -> Answer {
    let outputs = outputs.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    Answer::Ended { event: "ok".into(), outputs, note: None }
}

fn error(event: &str, note: &str) -> Answer {
    Answer::Ended { event: event.into(), outputs: [].into(), note: Some(note.into()) }
}

#[test]
fn a_script_ends_with_the_event_it_names() {
    for (code, how, result) in [
        ("", How::Done, None),
        ("// a comment", How::Done, None),
        ("return", How::Done, None),
        ("return null", How::Done, None),
        ("return 'late'", How::Event("late".into()), None),
        ("return { event: 'late', result: 5 }", How::Event("late".into()), Some("5")),
        ("return { result: { a: 1 } }", How::Done, Some("{\"a\":1}")),
        ("exit('early', 'x'); print('never')", How::Event("early".into()), Some("x")),
        (
            "try { exit('early') } catch { print('never') } for (;;) {}",
            How::Event("early".into()),
            None,
        ),
        ("exit()", How::Done, None),
    ] {
        let done = Agent::default().run(code);
        assert_eq!((done.end.how, done.end.result.as_deref()), (how, result), "{code}");
        assert_eq!(done.printed, "", "{code}");
    }
}

#[test]
fn errors_are_told_with_place_and_stack() {
    for (code, message, line, column) in [
        ("let a = 1;\nnope();", "ReferenceError: nope is not defined", 2, 1),
        ("\n\n  throw new Error('no room')", "no room", 3, 18),
        ("undeclared = 1", "ReferenceError: undeclared is not defined", 1, 1),
        ("context.get('computer.nmae')", "nothing in the context is called `computer.nmae`", 1, 19),
        (
            "const f = () => { null.x };\nawait sleep('1s');\nf()",
            "cannot read property 'x' of null",
            1,
            24,
        ),
        ("sleep({})", "TypeError: sleep takes a text", 1, 1),
    ] {
        let done = Agent::answering(|_| Answer::Value("null".into())).run(code);
        let (said, place, stack) = threw(&done.end.how);
        assert!(said.contains(message), "{code}: {said}");
        let place = place.unwrap_or_else(|| panic!("{code}: {stack}"));
        assert_eq!(place.line, line, "{code}: {stack}");
        assert!(stack.contains(&format!("script:{line}:")), "{code}: {stack}");
        assert!(place.column.abs_diff(column) <= 12, "{code}: {stack}");
        assert!(!stack.contains("deskhand"), "{code}: {stack}");
    }
    let stack = Agent::default()
        .run("function deep() {\n  throw new Error('x')\n}\nfunction top() {\n  deep()\n}\ntop()");
    let (_, _, stack) = threw(&stack.end.how);
    let lines: Vec<&str> =
        stack.lines().map(|line| line.trim().split(' ').nth(1).unwrap()).collect();
    assert_eq!(lines[..2], ["deep", "top"], "{stack}");
}

#[test]
fn what_is_thrown_need_not_be_an_error() {
    for (code, words) in [
        ("throw 'full'", "the script threw full"),
        ("throw { toString() { throw 1 } }", "the script threw"),
        ("throw null", "the script threw null"),
        ("return 5", "return the name of an event"),
        ("return { event: 5 }", "return the name of an event"),
        ("await new Promise(() => {})", "nothing will settle"),
        ("Promise.reject(new Error('unseen'))", "unseen"),
        ("let x = {}; x.x = x; await execute(x)", "circular"),
    ] {
        let done = Agent::default().run(code);
        assert!(threw(&done.end.how).0.contains(words), "{code}: {:?}", done.end);
    }
}

#[test]
fn activities_are_asked_for_and_answered() {
    let code = "const { event, outputs } = await execute({ command: ['a', \"{{ b }}\"], timeout: '10m' });\n\
        print(event, outputs.stdout, { a: [1] });\n\
        const all = await Promise.all([copy({ from: '/a', to: '/b' }), rename({ current: '/a', new: 'b' })]);\n\
        return all.length === 2 ? 'both' : 'not'";
    let done = Agent::answering(|_| ok(&[("stdout", "hello")])).run(code);
    assert_eq!(done.end.how, How::Event("both".into()));
    assert_eq!(done.printed, "ok hello {\"a\":[1]}\n");
    let parameters = "{\"command\":[\"a\",\"{{ b }}\"],\"timeout\":\"10m\"}";
    let first = Call::Activity { kind: "execute".into(), parameters: parameters.into() };
    assert_eq!(done.calls[0], first);
    assert_eq!(done.calls.len(), 3);
}

#[test]
fn an_event_other_than_ok_is_thrown_unless_it_is_not_checked() {
    let answering = || Agent::answering(|_| error("exit 3", "no such thing"));
    let done = answering().run("print(1)\nawait execute({ command: 'x' })");
    let (message, place, _) = threw(&done.end.how);
    assert_eq!(message, "ActivityError: `execute` ended with `exit 3`: no such thing");
    assert_eq!(place.map(|place| place.line), Some(2));
    let code = "try { await execute({ command: 'x' }) } catch (error) {\n\
        const { activity, event, note } = error;\n\
        return error instanceof ActivityError && [activity, event, note].join(' ') }";
    let done = answering().run(code);
    assert_eq!(done.end.how, How::Event("execute exit 3 no such thing".into()));
    let code = "const { event } = await execute({ command: 'x' }, { check: false }); return event";
    assert_eq!(answering().run(code).end.how, How::Event("exit 3".into()));
    let failed = Agent::answering(|_| Answer::Failed("no such parameter".into()));
    let done = failed.run("\nawait upload({})");
    assert_eq!(threw(&done.end.how).0, "no such parameter");
    assert_eq!(threw(&done.end.how).1.map(|place| place.line), Some(2));
}

#[test]
fn what_is_begun_and_not_waited_for_is_brought_to_its_end() {
    let done =
        Agent::answering(|_| ok(&[])).run("execute({ command: 'x' }).then(() => print('end'))");
    assert_eq!((done.end.how, &*done.printed), (How::Done, "end\n"));
    let done = Agent::answering(|_| error("error", "late")).run("execute({ command: 'x' })");
    assert!(threw(&done.end.how).0.contains("late"));
}

#[test]
fn the_context_is_read_and_variables_are_set() {
    let mut agent = Agent::default();
    agent.begin.context.insert("computer.name".into(), "pc1".into());
    agent.begin.context.insert("prefix".into(), "/opt".into());
    agent.begin.context.insert("agent.present".into(), "true".into());
    agent.begin.facts.insert("os_family".into(), "linux".into());
    let code = "context.set('prefix', 1); context.set('own', context.get('computer.name'));\n\
        if (context.has('nothing') || !agent.present) return 'wrong';\n\
        print(context.get('prefix'), context.get('nothing', 'else'), facts().os_family)";
    let done = agent.run(code);
    assert_eq!((done.end.how, &*done.printed), (How::Done, "1 else linux\n"));
    let variables: Vec<_> = done.end.variables.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(variables, [("own", "pc1"), ("prefix", "1")]);
    for name in ["computer", "computer.name", "", "9a", "a-b"] {
        let done = Agent::default().run(&format!("context.set('{name}', 'x')"));
        assert!(threw(&done.end.how).0.contains("cannot be set"), "{name}");
    }
    let code = "context.set('a', 'x'.repeat(2 ** 20 + 1))";
    assert!(threw(&Agent::default().run(code).end.how).0.contains("variables"));
}

#[test]
fn depot_wmi_and_sleep_are_asked_for() {
    let agent = Agent::answering(|call| match call {
        Call::Depot(_) => Answer::Value(serde_json::to_string("{\"a\": [1, 2]}").unwrap()),
        Call::Wmi(_) => Answer::Value("[{\"Name\":\"pc\"}]".into()),
        Call::Sleep(_) => Answer::Value("null".into()),
        Call::Activity { .. } => ok(&[]),
    });
    let code = "const { a } = await depot.json('x/y.json'); const t = await depot.text('x');\n\
        const [row] = await wmi('SELECT Name FROM Win32_ComputerSystem');\n\
        await sleep('5s'); await sleep(20); print(a[1], t.length, row.Name)";
    let done = agent.run(code);
    assert_eq!((done.end.how, &*done.printed), (How::Done, "2 13 pc\n"));
    assert_eq!(done.calls[3], Call::Sleep("5s".into()));
    assert_eq!(done.calls[4], Call::Sleep("20ms".into()));
    let agent = Agent::answering(|_| Answer::Value("\"{\"".into()));
    assert!(threw(&agent.run("await depot.json('x')").end.how).0.contains("is no JSON"));
}

#[test]
fn nothing_of_a_system_is_there() {
    let code = "const all = ['require', 'process', 'fetch', 'std', 'os', 'setTimeout'];\n\
        print(all.filter((name) => name in globalThis).length);\n\
        try { await import('std') } catch { print('no modules') }";
    assert_eq!(Agent::default().run(code).printed, "0\nno modules\n");
}

#[test]
fn more_than_a_script_may_do_ends_it() {
    for code in [
        "for (;;) print('x')",
        "for (;;) { try { print('x') } catch {} }",
        "for (;;) { try { await sleep('1s') } catch {} }",
        "const again = async () => { try { await sleep('1s') } finally { return again() } };\n\
         await again()",
    ] {
        let mut agent = Agent::answering(|_| Answer::Value("null".into()));
        agent.begin.operations = 50;
        let done = agent.run(code);
        assert_eq!(ended(&done.end.how).0, Limit::Operations, "{code}");
        assert!(done.calls.len() <= 50 && done.printed.len() <= 100, "{code}");
    }
}

#[test]
fn endless_code_is_ended_and_its_place_told() {
    for (code, line) in [
        ("let n = 0;\nfor (;;) { n++ }", None),
        ("for (;;) { try { for (;;) {} } catch {} finally { continue } }", None),
        ("const f = () => {\n  for (;;) Math.random()\n};\nf()", Some(2)),
        ("/(a+)+$/.test('a'.repeat(60) + 'b')", None),
        ("await sleep('1s');\n\nwhile (true) Math.random()", None),
        ("await Promise.all([(async () => { for (;;) await null })()])", None),
        ("[3, 1, 2].sort(() => { for (;;) {} })", Some(1)),
        ("const p = new Proxy({}, { get: () => { for (;;) {} } }); p.x", Some(1)),
    ] {
        let agent =
            Agent::answering(|_| Answer::Value("null".into())).stopped_after(Asked::A_WHILE);
        let done = agent.run(code);
        let (limit, place) = ended(&done.end.how);
        assert_eq!(limit, Limit::Time, "{code}");
        if line.is_some() {
            assert_eq!(place.map(|place: Place| place.line), line, "{code}: {:?}", done.end);
        }
    }
}

#[test]
fn a_script_that_only_waits_is_stopped_too() {
    let agent = Agent::silent().stopped_after(Asked::A_WHILE);
    assert_eq!(ended(&agent.run("await sleep('1h')").end.how).0, Limit::Time);
    assert_eq!(ended(&Agent::silent().gone().run("await sleep('1h')").end.how).0, Limit::Cancelled);
}

#[test]
fn memory_is_a_hard_limit() {
    for code in [
        "const all = []; for (;;) all.push('x'.repeat(100000) + all.length)",
        "let a = 'x'; for (;;) a += a",
        "new Uint8Array(2 ** 31)",
        "new Array(1e9).fill(0)",
        "let a = []; for (;;) a = [a, a.concat(a)]",
    ] {
        let mut agent = Agent::default().stopped_after(Asked::LONG);
        agent.begin.memory_bytes = 16 << 20;
        let done = agent.run(code);
        let is_size = |message: &str| {
            ["RangeError", "invalid", "too long"].iter().any(|words| message.contains(words))
        };
        let is_size = matches!(&done.end.how, How::Threw { message, .. } if is_size(message));
        assert!(is_size || ended(&done.end.how).0 == Limit::Memory, "{code}: {:?}", done.end);
    }
    let mut agent = Agent::default();
    agent.begin.memory_bytes = 16 << 20;
    let code = "try { let a = 'x'; for (;;) a += a } catch { } return 'caught'";
    assert_eq!(agent.run(code).end.how, How::Event("caught".into()));
    let mut agent = Agent::default().stopped_after(Asked::A_WHILE);
    agent.begin.memory_bytes = 16 << 20;
    let code = "const all = []; for (;;) { try { for (;;) all.push({}) } catch {} }";
    assert!(matches!(agent.run(code).end.how, How::Ended { .. }));
}

#[test]
fn deep_recursion_is_an_error_that_can_be_caught() {
    let done = Agent::default().run("const f = () => f() + 1;\nf()");
    assert!(threw(&done.end.how).0.contains("stack"), "{:?}", done.end);
    let code = "const f = () => f() + 1;\ntry { f() } catch { return 'caught' }";
    assert_eq!(Agent::default().run(code).end.how, How::Event("caught".into()));
    let deep = "const deep = '['.repeat(1e5) + ']'.repeat(1e5); JSON.parse(deep)";
    threw(&Agent::default().run(deep).end.how);
}

#[test]
fn much_is_printed_and_too_much_at_once_is_cut() {
    let done = Agent::default().run("print('x'.repeat(300 * 1024)); console.log('end')");
    assert!(done.printed.ends_with("… (cut)\nend\n"));
    assert!(done.printed.len() < 257 * 1024);
}
