//! Applications as administrators publish and associate them, and as an agent is told of them.

use ::content::{DepotPath, Listing};
use hyper::StatusCode;
use model::{ApplicationId, Digest};
use serde_json::{Value, json};
use trust::{Wanted, WantedGranted, WantedPresented};
use wire::content::{ContentRequest, Right};
use wire::wanted::{CAPABILITY, Standing, Standings, WantedNews};
use wire::{FromAgent, FromServer, Hello};

use crate::agent::{Agent, Link};
use crate::house::House;
use crate::robot::now;

const VIEWER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const RUNTIME: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

fn viewer(version: u16, more: &str) -> String {
    format!(
        "application: Viewer\nid: {VIEWER}\nversion: {version}\nsource: deploy/viewer\n\
         files:\n  - {{ copy: \"%SOURCE_PATH%/data\", to: /opt/viewer }}\n{more}"
    )
}

async fn publish(house: &House, text: &str) -> Value {
    house.api.post("/api/applications", &json!({ "text": text })).await
}

async fn associate(house: &House, to: Value) -> Value {
    let new = json!({ "application": "viewer", "to": to });
    house.api.post("/api/associations", &new).await
}

async fn connected(agent: &mut Agent) -> Link {
    let capabilities = vec![CAPABILITY.to_owned()];
    let hello = Hello { capabilities, ..agent.hello(Vec::new()) };
    agent.greet(hello).await.unwrap()
}

async fn told(link: &mut Link) -> WantedPresented {
    loop {
        match link.next().await.expect("a link") {
            FromServer::Wanted(presented) => return presented,
            _ => continue,
        }
    }
}

fn granted(agent: &Agent, presented: &WantedPresented, held: u64) -> WantedGranted {
    let me = (agent.computer, agent.key.verifying_key());
    Wanted::verify(presented, me, &agent.trust, held, now()).unwrap()
}

fn versions(granted: &WantedGranted) -> Vec<(&str, u16)> {
    let all = granted.set().applications.iter();
    all.map(|wanted| (wanted.name.as_str(), wanted.version)).collect()
}

#[tokio::test]
async fn what_is_published_never_changes_under_its_version() {
    let house = House::new().await;
    house.put("deploy/viewer/data", b"one");
    let first = publish(&house, &viewer(3, "")).await;
    assert_eq!(first["application"]["revision"], 1, "{first}");
    assert_eq!(first["application"]["source_bytes"], 3);
    assert_eq!(publish(&house, &viewer(3, "")).await["is_new"], false);
    let refused = publish(&house, &viewer(3, "description: other\n")).await;
    assert_eq!(refused["code"], "DH-A052", "{refused}");
    house.put("deploy/viewer/data", b"two!");
    let refused = publish(&house, &viewer(3, "")).await;
    assert!(refused["message"].as_str().unwrap().contains("another source"), "{refused}");
    assert_eq!(publish(&house, &viewer(4, "")).await["application"]["revision"], 2);

    let wrong = publish(&house, "application: X\n").await;
    assert_eq!(wrong["code"], "DH-A051", "{wrong}");
    assert!(!wrong["findings"].as_array().unwrap().is_empty());
    for (source, what) in [("nowhere", "no folder `nowhere`"), ("../x", "no folder of the depot")] {
        let text = viewer(5, "").replace("deploy/viewer", source);
        let refused = publish(&house, &text).await;
        assert_eq!(refused["code"], "DH-A007", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(what), "{refused}");
    }
    let shown = house.api.get("/api/applications/viewer?revision=1").await;
    assert_eq!(shown["application"]["version"], 3);
    assert_eq!(shown["revisions"].as_array().unwrap().len(), 2);
    assert_eq!(house.api.delete("/api/applications/VIEWER").await, Value::Null);
    assert_eq!(house.api.get("/api/applications/viewer").await["code"], "DH-A002");
}

#[tokio::test]
async fn an_agent_is_told_what_it_is_to_have_and_reads_nothing_else() {
    let house = House::new().await;
    house.put("deploy/viewer/data", &[7; 5_000]);
    house.put("deploy/viewer/sub/more", b"more");
    let needs = format!("dependencies: [ {{ application: {RUNTIME} }} ]\n");
    let published = publish(&house, &viewer(3, &needs)).await;
    assert_eq!(published["findings"][0]["code"], "DH-A050", "{published}");
    let runtime = format!("application: Runtime\nid: {RUNTIME}\nversion: 1\n");
    publish(&house, &runtime).await;
    let mut agent = house.enrolled("pc1", 1).await;
    let other = house.enrolled("pc2", 2).await;
    let made = associate(&house, json!({ "computer": "pc1" })).await;
    assert_eq!(made["verify_every_s"], 3_600, "{made}");
    let mut link = connected(&mut agent).await;
    let presented = told(&mut link).await;
    let taken = granted(&agent, &presented, 0);
    assert_eq!(versions(&taken), [("Runtime", 1), ("Viewer", 3)]);
    link.send(FromAgent::Wanted(WantedNews { serial: taken.serial(), refused: None })).await;
    house
        .until(async || {
            let told = house.api.get("/api/computers/pc1/applications").await;
            (told["is_taken"] == true).then_some(())
        })
        .await;

    let wanted = &taken.set().applications[1];
    let (root, right) = (wanted.source.unwrap(), Right::Wanted);
    let document = ContentRequest::Document { digest: wanted.document };
    let (status, text) = agent.fetch(&document, None, Vec::new()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(Digest::from_bytes(*blake3::hash(&text).as_bytes()), wanted.document);
    let list = ContentRequest::List { right, root, path: String::new(), recursive: true };
    let (_, bundle) = agent.fetch(&list, None, Vec::new()).await;
    let listing = Listing::open(&bundle, &root, &DepotPath::root(), true).unwrap();
    assert_eq!(listing.entries().len(), 3);
    let file = ContentRequest::File { right, root, path: "sub/more".into() };
    assert_eq!(agent.fetch(&file, None, Vec::new()).await.1.as_ref(), b"more");

    for asked in [document, list, file] {
        let (status, _) = other.fetch(&asked, None, Vec::new()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{asked:?}");
    }
    let root = Digest::from_bytes([9; 32]);
    let elsewhere = ContentRequest::Files { right, root };
    let (status, _) = agent.fetch(&elsewhere, None, Vec::new()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn only_those_for_whom_something_changed_are_told() {
    let house = House::new().await;
    house.put("deploy/viewer/data", b"one");
    publish(&house, &viewer(3, "")).await;
    let (mut one, mut two) = (house.enrolled("pc1", 1).await, house.enrolled("pc2", 2).await);
    associate(&house, json!({ "computer": "pc1" })).await;
    let (mut link, mut other) = (connected(&mut one).await, connected(&mut two).await);
    let first = granted(&one, &told(&mut link).await, 0);
    house.put("deploy/viewer/data", b"two");
    publish(&house, &viewer(4, "")).await;
    let second = granted(&one, &told(&mut link).await, first.serial());
    assert_eq!(versions(&second), [("Viewer", 4)]);
    assert!(second.serial() > first.serial());
    associate(&house, json!({ "query": "name = 'pc2'" })).await;
    let third = granted(&two, &told(&mut other).await, 0);
    assert_eq!(versions(&third), [("Viewer", 4)]);
    let held = house.api.get("/api/computers/pc1/applications").await;
    assert_eq!(held["serial"], second.serial());

    let gone = json!({ "application": VIEWER, "to": { "computer": "pc1" } });
    assert_eq!(house.api.post("/api/associations/remove", &gone).await, Value::Null);
    let last = granted(&one, &told(&mut link).await, second.serial());
    assert_eq!(versions(&last), []);
    let twice = house.api.post("/api/associations/remove", &gone).await;
    assert_eq!(twice["code"], "DH-A008");
    let used = house.api.delete("/api/applications/viewer").await;
    assert!(used["hint"].as_str().unwrap().contains("association remove"), "{used}");
    drop(link);
    let mut again = connected(&mut one).await;
    assert_eq!(granted(&one, &told(&mut again).await, 0).serial(), last.serial());
}

/// As it is after the database was brought back from a backup.
#[tokio::test]
async fn an_agent_that_goes_by_a_later_set_than_is_known_is_told_a_later_one_still() {
    let house = House::new().await;
    publish(&house, &format!("application: Viewer\nid: {VIEWER}\nversion: 1\n")).await;
    let (mut one, mut two) = (house.enrolled("pc1", 1).await, house.enrolled("pc2", 2).await);
    associate(&house, json!({ "computer": "pc1" })).await;
    let mut link = connected(&mut one).await;
    let first = granted(&one, &told(&mut link).await, 0);
    let ahead = first.serial() + 1_000_000_000;
    let refused = Some("it is older".to_owned());
    link.send(FromAgent::Wanted(WantedNews { serial: ahead, refused })).await;
    let second = granted(&one, &told(&mut link).await, ahead);
    assert_eq!(versions(&second), [("Viewer", 1)]);
    // Of this one the database knows nothing at all.
    let mut other = connected(&mut two).await;
    other.send(FromAgent::Wanted(WantedNews { serial: ahead, refused: None })).await;
    let third = granted(&two, &told(&mut other).await, ahead);
    assert_eq!(versions(&third), []);
}

#[tokio::test]
async fn where_applications_stand_is_told_and_replaced() {
    let house = House::new().await;
    publish(&house, &format!("application: Viewer\nid: {VIEWER}\nversion: 1\n")).await;
    let mut agent = house.enrolled("pc1", 1).await;
    associate(&house, json!({ "computer": "pc1" })).await;
    let untold = house
        .until(async || {
            let told = house.api.get("/api/computers/pc1/applications").await;
            (told["applications"][0]["application"] == "Viewer").then_some(told)
        })
        .await;
    assert_eq!(untold["states"][0]["state"], "untold");
    let mut link = connected(&mut agent).await;
    let application: ApplicationId = VIEWER.parse().unwrap();
    let part = |user: Option<&str>, state: &str| Standing {
        application,
        user: user.map(str::to_owned),
        name: "Viewer".into(),
        wanted: Some(1),
        installed: None,
        state: state.into(),
        drift: 0,
        error: "no space\u{1b}".into(),
        pending: String::new(),
        next_attempt: None,
        at: now(),
    };
    let parts = vec![part(None, "failed"), part(Some("ada"), "pending")];
    link.send(FromAgent::Standings(Standings { are_all: true, parts })).await;
    let states = async |count: usize| {
        let asked = "/api/application-states?application=Viewer&computer=pc1";
        house
            .until(async || {
                let told = house.api.get(asked).await;
                let items = told["items"].as_array()?.clone();
                (items.len() == count).then_some(items)
            })
            .await
    };
    let told = states(2).await;
    assert_eq!((&told[0]["state"], &told[0]["error"]), (&json!("failed"), &json!("no space")));
    assert_eq!((&told[1]["user"], &told[1]["computer"]), (&json!("ada"), &json!("pc1")));
    let paged = house.api.get("/api/application-states?limit=1").await;
    let after = paged["next"].as_str().unwrap().replace('/', "%2F");
    let rest = house.api.get(&format!("/api/application-states?limit=1&after={after}")).await;
    assert_eq!(rest["items"][0]["user"], "ada");
    let parts = vec![part(None, "ok")];
    link.send(FromAgent::Standings(Standings { are_all: true, parts })).await;
    assert_eq!(states(1).await[0]["state"], "ok");
}

#[tokio::test]
async fn an_association_names_one_of_four_and_empty_fields_name_nothing() {
    let house = House::new().await;
    publish(&house, &format!("application: Viewer\nid: {VIEWER}\nversion: 1\n")).await;
    house.enrolled("pc1", 1).await;
    for to in [
        json!({ "computer": "pc1", "group": "", "query": "", "user": "" }),
        json!({ "query": "name = 'pc1'", "user": "" }),
        json!({ "computer": "", "user": "ada" }),
    ] {
        let made = associate(&house, to.clone()).await;
        let named = to.as_object().unwrap().iter().filter(|(_, name)| *name != "");
        assert_eq!(made["to"], Value::Object(named.map(|(k, v)| (k.clone(), v.clone())).collect()));
    }
    for to in [json!({}), json!({ "user": "" }), json!({ "computer": "pc1", "user": "ada" })] {
        let refused = associate(&house, to).await;
        assert!(refused["message"].as_str().unwrap().contains("names one"), "{refused}");
    }
    // `pc1` is no group, whatever stands beside it.
    let refused = associate(&house, json!({ "computer": "", "group": "pc1" })).await;
    assert_eq!(refused["code"], "DH-A005", "{refused}");
}
