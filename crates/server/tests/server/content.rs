//! Bulk content: what an agent may have and leave, and what not.

use std::path::Path;

use ::content::{DepotPath, HashCache, Listing, Offer, What};
use hyper::StatusCode;
use machine::{Filter, Spot};
use model::{Digest, RunId};
use serde_json::json;
use trust::{Signed, Warrant};
use wire::content::{ContentRequest, Paths, PieceHead, Placed, Right, Wanted};
use workflow::{Event, Report};

use crate::house::House;
use crate::robot::{Robot, now};

const TRANSFERS: &str = "\
workflow: Transfers
start: bring
activities:
  bring: { upload: { from: deploy/viewer, to: /opt/viewer, recursive: true }, on: { ok: fetch } }
  fetch:
    download: { from: /var/inventory, to: \"in/{{ computer.name }}\", recursive: true, replace: true }
    on: { ok: done }
  done: { success: {} }
";

fn root_of(robot: &Robot) -> (RunId, Digest) {
    let (package, _) = robot.taker.runs().next().unwrap();
    let signed = Signed::decode(&package.warrant).unwrap();
    let root = Warrant::decode(signed.payload()).unwrap().depot_root.unwrap();
    (package.run, root)
}

async fn begun(house: &House) -> (Robot, String) {
    house.put("deploy/viewer/bin/run.sh", b"#!/bin/sh\n");
    house.put("deploy/viewer/data", &[7; 300_000]);
    house.put("deploy/secret", b"secret");
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.extend(["bring".into(), "fetch".into()]);
    let deployment = house.deploy(TRANSFERS, &["pc1"]).await;
    robot.until_held("bring").await;
    (robot, deployment)
}

#[tokio::test]
async fn an_upload_lists_and_reads_what_was_pinned() {
    let house = House::new().await;
    let (robot, _) = begun(&house).await;
    let (run, root) = root_of(&robot);
    house.put("deploy/viewer/data", b"changed since");
    let from: DepotPath = "deploy/viewer".parse().unwrap();
    let path = from.to_string();
    let list = ContentRequest::List { right: Right::Run(run), root, path, recursive: true };
    let (status, bundle) = robot.agent.fetch(&list, None, Vec::new()).await;
    assert_eq!(status, StatusCode::OK);
    let listing = Listing::open(&bundle, &root, &from, true).unwrap();
    let names: Vec<_> = listing.entries().iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(names, ["bin", "data", "bin/run.sh"]);
    let size = listing.entries().iter().find_map(|entry| match entry.entry.what {
        What::File { size, .. } if entry.path.as_str() == "data" => Some(size),
        _ => None,
    });
    assert_eq!(size, Some(300_000));

    let data =
        ContentRequest::File { right: Right::Run(run), root, path: "deploy/viewer/data".into() };
    let (status, bytes) = robot.agent.fetch(&data, None, Vec::new()).await;
    assert_eq!((status, bytes.as_ref()), (StatusCode::OK, [7; 300_000].as_slice()));
    let (status, bytes) = robot.agent.fetch(&data, Some("bytes=299990-"), Vec::new()).await;
    assert_eq!((status, bytes.len()), (StatusCode::PARTIAL_CONTENT, 10));
    let (_, bytes) = robot.agent.fetch(&data, Some("bytes=5-9"), Vec::new()).await;
    assert_eq!(bytes.len(), 5);
    let (status, _) = robot.agent.fetch(&data, Some("bytes=300001-"), Vec::new()).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);

    let both = ["deploy/viewer/bin/run.sh", "deploy/viewer/data"].map(str::to_owned);
    let files = ContentRequest::Files { right: Right::Run(run), root };
    let (status, bytes) = robot.agent.fetch(&files, None, Paths(both.into()).encode()).await;
    assert_eq!((status, bytes.len()), (StatusCode::OK, 300_010));
    assert!(bytes.starts_with(b"#!/bin/sh\n"));
}

#[tokio::test]
async fn nothing_else_is_given() {
    let house = House::new().await;
    let (robot, _) = begun(&house).await;
    let (run, root) = root_of(&robot);
    let file = |run, root, path: &str| {
        let (right, path) = (Right::Run(run), path.to_owned());
        ContentRequest::File { right, root, path }
    };
    let status =
        async |request: ContentRequest| robot.agent.fetch(&request, None, Vec::new()).await.0;
    for path in ["deploy/secret", "deploy", "", "nothing"] {
        assert_eq!(status(file(run, root, path)).await, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["../deskhand.db", "/etc/passwd", "deploy/../../keypriv.key", "C:/x", "a\\b"] {
        assert_eq!(status(file(run, root, path)).await, StatusCode::BAD_REQUEST, "{path}");
    }
    let other_root = file(run, Digest::from_bytes([1; 32]), "deploy/viewer/data");
    assert_eq!(status(other_root).await, StatusCode::FORBIDDEN);
    let other_run = file(RunId::from_bytes([1; 16]), root, "deploy/viewer/data");
    assert_eq!(status(other_run).await, StatusCode::GONE);
    let neighbour = house.enrolled("pc2", 2).await;
    let data = file(run, root, "deploy/viewer/data");
    assert_eq!(neighbour.fetch(&data, None, Vec::new()).await.0, StatusCode::FORBIDDEN);
    house.told("refused", "another agent's").await;
    let mut stranger = neighbour.clone();
    stranger.key = trust::SigningKey::from_seed(&[77; 32]);
    assert_eq!(stranger.fetch(&data, None, Vec::new()).await.0, StatusCode::FORBIDDEN);
    for (method, uri) in [("GET", "/"), ("GET", "/content/x"), ("DELETE", "/agent")] {
        let (status, _) = neighbour.raw(method, uri, None, Vec::new()).await;
        assert!(status.is_client_error(), "{method} {uri}");
    }
}

pub fn offer(folder: &Path) -> Offer {
    let spot = Spot::absolute(folder.to_str().unwrap(), None).unwrap();
    Offer::of(&spot, &Filter::all(), true, &mut HashCache::default(), now()).unwrap()
}

#[tokio::test]
async fn a_download_is_taken_where_the_workflow_says() {
    let house = House::new().await;
    let (mut robot, deployment) = begun(&house).await;
    let early = workflow::EffectId::new(robot.run(), 1, workflow::Visit(2));
    let (status, _) = robot
        .agent
        .fetch(&ContentRequest::Offer { effect: early, wish: None }, None, Vec::new())
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    robot.end("bring", Report::of(Event::Ok)).await;
    let effect = robot.until_held("fetch").await;
    let in_progress = async || {
        let detail = house.detail(&deployment).await;
        (detail["runs"][0]["activities"] == json!(["fetch"])).then_some(())
    };
    house.until(in_progress).await;

    let inventory = tempfile::tempdir().unwrap();
    std::fs::create_dir(inventory.path().join("sub")).unwrap();
    std::fs::write(inventory.path().join("small"), b"small").unwrap();
    std::fs::write(inventory.path().join("sub/large"), vec![9; 400_000]).unwrap();
    let offer = offer(inventory.path());
    let pieces = ContentRequest::Pieces { effect };
    let (status, _) = robot.agent.fetch(&pieces, None, Vec::new()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let asked = ContentRequest::Offer { effect, wish: None };
    let (status, wanted) = robot.agent.fetch(&asked, None, offer.to_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{wanted:?}");
    let wanted = Wanted::decode(&wanted).unwrap();
    assert_eq!(wanted.files.len(), 2);
    for (index, offset) in wanted.files {
        let path = offer.entries()[index as usize].path.to_string();
        let bytes = std::fs::read(inventory.path().join(&path)).unwrap();
        if path == "small" {
            let length = u32::try_from(bytes.len()).unwrap();
            let mut batch = PieceHead { index, offset, length }.encode().to_vec();
            batch.extend(&bytes);
            let (status, why) = robot.agent.fetch(&pieces, None, batch).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{why:?}");
            continue;
        }
        let put = ContentRequest::Bytes { effect, index, offset };
        let mut altered = bytes.clone();
        altered[5] = 0;
        let (status, _) = robot.agent.fetch(&put, None, altered).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let (status, why) = robot.agent.fetch(&put, None, bytes).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{why:?}");
    }
    let (status, placed) =
        robot.agent.fetch(&ContentRequest::Finish { effect }, None, Vec::new()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(Placed::decode(&placed).unwrap(), Placed { files: 2, bytes: 400_005, skipped: 0 });
    assert_eq!(std::fs::read(house.depot().join("in/pc1/sub/large")).unwrap(), vec![9; 400_000]);

    robot.end("fetch", Report::of(Event::Ok)).await;
    robot.until_forgotten().await;
    house.ended(&deployment).await;
    let (status, _) = robot.agent.fetch(&asked, None, offer.to_bytes()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn offers_cannot_climb() {
    let house = House::new().await;
    let (mut robot, _) = begun(&house).await;
    robot.end("bring", Report::of(Event::Ok)).await;
    let effect = robot.until_held("fetch").await;
    let inventory = tempfile::tempdir().unwrap();
    std::fs::write(inventory.path().join("aa_aa"), b"x").unwrap();
    let bytes = offer(inventory.path()).to_bytes();
    let place = bytes.windows(5).position(|part| part == b"aa_aa").unwrap();
    for name in [b"../xx", b"/xxxx", b"a/../", b"C:/xx", b"a\\..\\"] {
        let mut hostile = bytes.clone();
        hostile[place..place + 5].copy_from_slice(name);
        let asked = ContentRequest::Offer { effect, wish: None };
        let (status, why) = robot.agent.fetch(&asked, None, hostile).await;
        assert!(status.is_client_error(), "{name:?}: {status} {why:?}");
    }
    assert!(!house.depot().join("in/xx").exists() && !house.depot().join("xx").exists());
}
