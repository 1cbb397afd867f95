//! Scripts for the registry: on one in memory, and on Windows on the system's own too.

use std::sync::atomic::AtomicBool;

use machine::registry::{MemoryRegistry, Registry, RegistryPlan, ScriptError, SystemRegistry};
use model::registry::{Data, Key, Operation, Step};

static RUN: AtomicBool = AtomicBool::new(false);

fn key(path: &str) -> Key {
    Key::parse(&format!(r"HKCU\Software\Deskhand Test\{path}")).unwrap()
}

fn create(path: &str) -> Operation {
    Operation::CreateKey { key: key(path) }
}

fn set(path: &str, name: &str, data: Data) -> Operation {
    Operation::SetValue { key: key(path), name: name.into(), data }
}

fn text(path: &str, name: &str, text: &str) -> Operation {
    set(path, name, Data::text(text))
}

fn has(path: &str) -> Operation {
    Operation::TestKey { key: key(path) }
}

fn is(path: &str, name: &str, text: &str) -> Operation {
    Operation::CompareValue { key: key(path), name: name.into(), data: Data::text(text) }
}

fn delete(path: &str) -> Operation {
    Operation::DeleteKey { key: key(path) }
}

fn remove(path: &str, name: &str) -> Operation {
    Operation::DeleteValue { key: key(path), name: name.into() }
}

fn plan(registry: &dyn Registry, script: &[Operation]) -> Result<RegistryPlan, ScriptError> {
    let steps = script.iter().cloned().zip(1..);
    RegistryPlan::make(registry, steps.map(|(operation, line)| Step { line, operation }).collect())
}

fn carry_out(registry: &mut dyn Registry, script: &[Operation]) -> Result<u64, ScriptError> {
    let plan = plan(registry, script)?;
    // What is kept on the disk is all that counts.
    RegistryPlan::from_bytes(&plan.to_bytes()).unwrap().carry_out(registry, &RUN)
}

/// Everything below a key, in one text.
fn shown(registry: &dyn Registry, path: &str) -> String {
    let mut lines = Vec::new();
    let mut waiting = vec![key(path)];
    while let Some(key) = waiting.pop() {
        if !registry.exists(&key).unwrap() {
            continue;
        }
        lines.push(format!("[{}]", key.folded()));
        for (name, data) in registry.values(&key).unwrap() {
            lines.push(format!("[{}] {} = {data:?}", key.folded(), name.to_uppercase()));
        }
        waiting.extend(registry.keys(&key).unwrap().iter().map(|name| key.child(name)));
    }
    lines.sort();
    lines.join("\n")
}

/// What every registry does; `path` is where it may.
fn conforms(registry: &mut dyn Registry, path: &str) {
    let below = |name: &str| format!("{path}\\{name}");
    let (a, b, deep) = (below("a"), below("B"), below(r"a\x y\[z]"));
    carry_out(registry, &[delete(path)]).unwrap();
    let first = [
        create(&deep),
        text(&a, "", "default"),
        text(&a, "Name", "grüß dich"),
        set(&a, "number", Data::dword(31)),
        set(&a, "none", Data { kind: 0, bytes: vec![] }),
        set(&a, "texts", Data { kind: 7, bytes: b"a\0\0\0b\0\0\0\0\0".to_vec() }),
        set(&a, "odd", Data { kind: 0x1234, bytes: vec![0; 5000] }),
        text(&b, "B", "1"),
        has(&a),
        is(&a, "NAME", "grüß dich"),
    ];
    assert_eq!(carry_out(registry, &first).unwrap(), 8);
    let made = shown(registry, path);
    assert_eq!(carry_out(registry, &first).unwrap(), 0, "again nothing is changed");
    assert_eq!(registry.value(&key(&a), "ODD").unwrap().unwrap().bytes.len(), 5000);
    assert_eq!(registry.value(&key(&below("none")), "x").unwrap(), None);

    let failing: [&[Operation]; 5] = [
        &[has(&below("nothing")), create(&below("c"))],
        &[is(&a, "name", "other"), create(&below("c"))],
        &[Operation::TestValue { key: key(&a), name: "nothing".into() }, delete(&a)],
        &[create(&below("c")), text(&a, "new", "1"), remove(&a, "name"), has(&below("d"))],
        &[delete(&a), create(&a), text(&a, "name", "x"), text(&b, "b", "2"), is(&b, "b", "3")],
    ];
    for script in failing {
        let error = carry_out(registry, script).unwrap_err();
        assert!(error.to_string().starts_with("line "), "{error}");
        assert_eq!(shown(registry, path), made, "{script:?}");
    }
    let stopped = plan(registry, &[delete(&a)]).unwrap();
    let stopped = stopped.carry_out(registry, &AtomicBool::new(true)).unwrap_err();
    assert!(matches!(stopped, ScriptError::Stopped));
    assert_eq!(shown(registry, path), made);

    let last = [is(&b, "b", "1"), delete(&a), remove(&b, "b"), remove(&b, "not there"), delete(&a)];
    assert_eq!(carry_out(registry, &last).unwrap(), 2);
    let left = format!("[{}]\n[{}]", key(&b).folded(), key(path).folded());
    assert_eq!(shown(registry, path), left);
    assert_eq!(carry_out(registry, &[delete(path)]).unwrap(), 1);
    assert_eq!(shown(registry, path), "");
}

#[test]
fn a_registry_in_memory_conforms() {
    conforms(&mut MemoryRegistry::default(), "memory");
}

#[cfg(windows)]
#[test]
fn the_registry_of_windows_conforms() {
    conforms(&mut SystemRegistry::open(None).unwrap(), "conformance");
}

#[cfg(target_os = "linux")]
#[test]
fn on_linux_there_is_none_and_this_is_said() {
    let error = SystemRegistry::open(None).err().unwrap();
    assert!(matches!(error, machine::registry::RegistryError::NotHere));
    assert_eq!(error.to_string(), "the registry is a part of Windows; this is Linux");
}

/// `reg`, which knows nothing of ours, sees what was written and writes what is seen.
#[cfg(windows)]
#[test]
fn reg_agrees() {
    let reg = |words: &[&str]| {
        let output = std::process::Command::new("reg").args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).replace('\r', "")
    };
    let mut registry = SystemRegistry::open(None).unwrap();
    let place = r"HKCU\Software\Deskhand Test\judge";
    carry_out(&mut registry, &[delete("judge"), text("judge", "Name", "two words")]).unwrap();
    carry_out(&mut registry, &[set("judge", "n", Data::dword(31)), create(r"judge\below")])
        .unwrap();
    let seen = reg(&["query", place]);
    let has =
        |line: [&str; 3]| seen.lines().any(|found| line.iter().all(|part| found.contains(part)));
    assert!(has(["Name", "REG_SZ", "two words"]) && has(["n", "REG_DWORD", "0x1f"]), "{seen}");
    assert!(seen.contains(r"\judge\below"), "{seen}");
    reg(&["add", place, "/v", "theirs", "/t", "REG_EXPAND_SZ", "/d", "%windir%", "/f"]);
    let data = registry.value(&key("judge"), "theirs").unwrap().unwrap();
    assert_eq!(data.kind, Data::EXPANDED_TEXT);
    carry_out(&mut registry, &[delete("judge")]).unwrap();
    assert!(!reg(&["query", place]).contains("judge"));
}

/// The machine's registry is the 64-bit one, and `HKEY_CLASSES_ROOT` the machine's classes.
#[cfg(windows)]
#[test]
fn roots_are_where_they_are_said_to_be() {
    let mut registry = SystemRegistry::open(None).unwrap();
    let at = |text: &str| Key::parse(text).unwrap();
    let class = at(r"HKCR\Deskhand.Test");
    assert!(registry.exists(&at(r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion")).unwrap());
    carry_out(&mut registry, &[Operation::CreateKey { key: class.clone() }]).unwrap();
    assert!(registry.exists(&at(r"HKLM\Software\Classes\Deskhand.Test")).unwrap());
    carry_out(&mut registry, &[Operation::DeleteKey { key: class.clone() }]).unwrap();
    assert!(!registry.exists(&class).unwrap());
}

fn before() -> (MemoryRegistry, Vec<Operation>) {
    let mut registry = MemoryRegistry::default();
    let scene = [
        text(r"p\kept", "v", "old"),
        text(r"p\kept", "gone", "old"),
        text(r"p\tree\one", "a", "1"),
        text(r"p\tree\two\three", "b", "2"),
        create(r"p\tree\empty"),
    ];
    carry_out(&mut registry, &scene).unwrap();
    registry.protect(&key(r"p\tree\two"), b"mine").unwrap();
    let script = vec![
        has(r"p\kept"),
        is(r"p\kept", "v", "old"),
        text(r"p\kept", "v", "new"),
        text(r"p\kept", "v", "newer"),
        remove(r"p\kept", "gone"),
        create(r"p\fresh\below"),
        text(r"p\fresh\below", "c", "3"),
        delete(r"p\tree"),
        text(r"p\tree\one", "a", "other"),
        is(r"p\tree\one", "a", "other"),
        delete(r"p\fresh\below"),
    ];
    (registry, script)
}

#[test]
fn one_failure_anywhere_leaves_everything_as_it_was() {
    let (scene, script) = before();
    let mut changes = 0;
    loop {
        let mut registry = scene.clone().failing_once_after(changes);
        match carry_out(&mut registry, &script) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, ScriptError::Step { .. }), "{error}"),
        }
        assert!(registry == scene, "the change after {changes} others failed");
        changes += 1;
    }
    assert!(changes > 10, "{changes}");
}

#[test]
fn a_death_anywhere_is_undone_or_finished_from_the_plan() {
    let (scene, script) = before();
    let mut finished = scene.clone();
    carry_out(&mut finished, &script).unwrap();
    let mut changes = 0;
    loop {
        let mut registry = scene.clone().dying_after(changes);
        let kept = plan(&registry, &script).unwrap().to_bytes();
        let plan = RegistryPlan::from_bytes(&kept).unwrap();
        let done = plan.carry_out(&mut registry, &RUN);
        if done.is_ok() {
            break;
        }
        // It may die again while it is undone.
        for more in 0..3 {
            registry = registry.dying_after(more);
            assert!(plan.undo(&mut registry).is_err() || registry == scene);
        }
        let mut registry = registry.revived();
        plan.undo(&mut registry).unwrap();
        assert!(registry == scene, "died after {changes} changes");
        assert!(plan.carry_out(&mut registry, &RUN).is_ok() && registry == finished);
        changes += 1;
    }
    assert!(changes > 10, "{changes}");
}
