//! Scripts on a real agent: what they print is seen at once, what they set is seen by later
//! activities, what they read comes from the pinned depot, and an agent's death leaves nothing.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, until};

/// A workflow whose first activity is a script with these parameters.
fn workflow(parameters: &str, code: &str) -> String {
    let code: String = code.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "workflow: Script\nstart: a\nvariables: {{ word: first }}\nactivities:\n  a:\n    script:\n\
         {parameters}      code: |\n{code}    on: {{ ok: done, office: say, error: failed }}\n  \
         say: {{ execute: {{ command: \"echo {{{{ word | sh }}}}\" }}, on: {{ ok: told, error: failed }} }}\n  \
         told: {{ success: {{ message: '{{{{ activities.say.stdout }}}} {{{{ activities.a.result }}}}' }} }}\n  \
         failed: {{ failure: {{}} }}\n  done: {{ success: {{}} }}\n"
    )
}

fn log(fleet: &Fleet, deployment: &str) -> String {
    let output = fleet.run(["deployment", "log", deployment]);
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

#[test]
fn a_script_is_seen_at_work_and_heard_by_those_after_it() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let code = "print('begun on', context.get('computer.name'));\n\
        await execute({ command: 'while [ ! -e \"$DESKHAND_ROOT/go\" ]; do sleep 0.05; done' });\n\
        context.set('word', 'second');\n\
        return { event: 'office', result: facts().os };";
    let deployment = fleet.begin(&workflow("", code))?;
    until("the script's print in the log", || {
        log(&fleet, &deployment).contains("begun on pc-1").then_some(())
    })
    .with_context(|| fleet.logs())?;
    let detail = fleet.ask(async |client| client.deployment(&deployment).await);
    ensure!(detail.context("the deployment")?.runs[0].outcome.is_none(), "it should still run");
    fs::write(fleet.agents()[0].root.join("go"), "")?;
    let runs = fleet.until_ended(&deployment)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("success"), "{runs:#?}\n{}", fleet.logs());
    ensure!(runs[0].run.reason.as_deref() == Some("second linux"), "{runs:#?}");
    Ok(())
}

#[test]
fn a_script_reads_and_uploads_what_was_deployed() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let folder = fleet.depot().join("deploy/lists");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("offices.json"), "{\"pc-1\": \"north\"}")?;
    fs::write(folder.join("notes.txt"), "hello")?;
    fs::write(fleet.depot().join("secret.txt"), "not for scripts")?;
    fleet.add_agents(1)?;
    let code = "const offices = await depot.json('deploy/lists/offices.json');\n\
        context.set('word', offices[context.get('computer.name')]);\n\
        try { await depot.text('secret.txt') } catch (error) { print('refused:', error.message) }\n\
        const { outputs } = await upload({ from: 'deploy/lists', to: '/lists', filter: '*.txt' });\n\
        const text = await depot.text('deploy/lists/notes.txt');\n\
        return { event: 'office', result: `${outputs.files} ${text}` };";
    let deployment = fleet.begin(&workflow("      depot: deploy/lists\n", code))?;
    // What is changed now is not what was deployed.
    fs::write(folder.join("offices.json"), "{\"pc-1\": \"south\"}")?;
    let runs = fleet.until_ended(&deployment)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("success"), "{runs:#?}\n{}", fleet.logs());
    ensure!(runs[0].run.reason.as_deref() == Some("north 1 hello"), "{runs:#?}");
    let arrived = fs::read_to_string(fleet.agents()[0].root.join("lists/notes.txt"))?;
    ensure!(arrived == "hello", "{arrived}");
    ensure!(log(&fleet, &deployment).contains("refused: "), "{}", log(&fleet, &deployment));
    Ok(())
}

#[test]
fn a_script_is_not_carried_out_again_and_leaves_nothing() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let code = "print('begun');\n\
        const command = 'cd \"$DESKHAND_ROOT\"; echo $$ > pid; echo x >> times; exec sleep 600';\n\
        await execute({ command })";
    let deployment = fleet.begin(&workflow("", code))?;
    let root = fleet.agents()[0].root.clone();
    let sleeper = until("the script's command", || {
        fs::read_to_string(root.join("pid")).ok()?.trim().parse::<u32>().ok()
    })?;
    fleet.kill_agent(0);
    fleet.start_agent(0)?;
    let runs = fleet.until_ended(&deployment)?;
    let step = runs[0].path.iter().find(|step| step.activity == "a").context("its step")?;
    ensure!(step.event.as_deref() == Some("interrupted"), "{runs:#?}\n{}", fleet.logs());
    ensure!(runs[0].run.outcome.as_deref() == Some("failure"), "{runs:#?}");
    ensure!(fs::read_to_string(root.join("times"))? == "x\n", "it was carried out again");
    until("the command to be gone", || {
        let state = fs::read_to_string(format!("/proc/{sleeper}/stat"));
        (state.is_err() || state.is_ok_and(|state| state.contains(") Z "))).then_some(())
    })
}

fn set_action(fleet: &Fleet, source: &str) -> Result<()> {
    let action = fleet.workflow("action.yaml", source)?;
    let set = fleet.run(["action", "set", &action.to_string_lossy()])?;
    ensure!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    Ok(())
}

fn messages(fleet: &Fleet) -> Result<usize> {
    Ok(fleet.json(["message", "list", "--json"])?.as_array().context("messages")?.len())
}

#[test]
fn a_script_has_the_server_do_what_its_activity_permits() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    set_action(
        &fleet,
        "action: count\nparameters: { what: }\n\
         command: { command: [printf, '<%s>', '{{ what }}'] }\n",
    )?;
    let code = "const name = context.get('computer.name');\n\
        const told = await message({ to: 'ops', subject: `About {{ ${name} }}` });\n\
        const started = await action({ name: 'count', parameters: { what: 'x; y' } });\n\
        await execute({ command: 'cd \"$DESKHAND_ROOT\"; mkdir logs; echo one > logs/a' });\n\
        const brought = await download({ from: '/logs', to: `in/${name}` });\n\
        await rename({ current: `in/${name}/a`, new: 'b', on_server: true });\n\
        const denied = (call) => call.catch((error) => print(error.message));\n\
        await denied(download({ from: '/logs', to: 'in/others' }));\n\
        await denied(delete_files({ folder: '', on_server: true }));\n\
        await denied(action({ name: 'other' }));\n\
        await denied(shutdown({}));\n\
        const all = [told.outputs.id, started.outputs.stdout, brought.outputs.files];\n\
        return { event: 'office', result: all.join(' ') };";
    let may =
        "      messages: true\n      actions: count\n      deposit: 'in/{{ computer.name }}'\n";
    let deployment = fleet.begin(&workflow(may, code))?;
    let runs = fleet.until_ended(&deployment)?;
    let log = log(&fleet, &deployment);
    ensure!(runs[0].run.reason.as_deref() == Some("first 1 <x; y> 1"), "{runs:#?}\n{log}");
    ensure!(fs::read_to_string(fleet.depot().join("in/pc-1/b"))? == "one\n");
    ensure!(!fleet.depot().join("in/others").exists());
    ensure!(log.matches("DH-A037").count() == 3 && log.contains("DH-A038"), "{log}");
    let kept = fleet.json(["message", "list", "--json"])?;
    ensure!(kept[0]["subject"] == "About {{ pc-1 }}", "{kept:#}");
    Ok(())
}

#[test]
fn what_a_script_asks_for_is_done_once_though_the_server_dies() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let marks = fleet.folder().join("marks");
    set_action(
        &fleet,
        &format!(
            "action: slow\ncommand: {{ command: 'echo x >> {}; sleep 600' }}\n",
            marks.display()
        ),
    )?;
    let code = "await message({ subject: 'before' });\n\
        const { event } = await action({ name: 'slow' }, { check: false });\n\
        await execute({ command: 'while [ ! -e \"$DESKHAND_ROOT/go\" ]; do sleep 0.05; done' });\n\
        await message({ subject: 'while nobody hears' });\n\
        return { event: 'office', result: event };";
    let deployment = fleet.begin(&workflow("      messages: true\n      actions: slow\n", code))?;
    until("the action's command", || fs::read_to_string(&marks).ok())
        .with_context(|| fleet.logs())?;
    fleet.kill_server();
    fleet.start_server()?;
    until("the message before", || (messages(&fleet).ok()? == 1).then_some(()))?;
    fleet.kill_server();
    fs::write(fleet.agents()[0].root.join("go"), "")?;
    fleet.start_server()?;
    let runs = fleet.until_ended(&deployment)?;
    ensure!(runs[0].run.reason.as_deref() == Some("first interrupted"), "{runs:#?}");
    ensure!(fs::read_to_string(&marks)? == "x\n", "the command was carried out again");
    ensure!(messages(&fleet)? == 2, "each message once");
    Ok(())
}
