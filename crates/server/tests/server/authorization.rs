//! No operation without the administrator's token, as the document lists them.

use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::house::House;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn operations(document: &Value) -> Vec<(Method, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            all.push((method.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    all
}

#[tokio::test]
async fn every_operation_but_health_wants_the_token() {
    let house = House::new().await;
    let document: Value = serde_json::from_str(&server::openapi()).unwrap();
    let served = house.api.get("/api/openapi.json").await;
    assert_eq!(served, document);
    let all = operations(&document);
    assert!(all.len() >= 29, "{all:?}");
    for (method, path) in all {
        let uri = path.replace(['{', '}'], "");
        for token in [None, Some("dha_wrong"), Some("")] {
            let (status, body) = house.api.ask(method.clone(), &uri, token, None).await;
            if path == "/api/health" {
                assert_eq!(status, StatusCode::OK);
                continue;
            }
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            let problem: api::Problem = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem.code, "DH-A001");
        }
    }
}

/// OpenAPI 3.1, "Response Object": the description is required.
#[test]
fn every_response_of_the_document_is_described() {
    let document: Value = serde_json::from_str(&server::openapi()).unwrap();
    for (method, path) in operations(&document) {
        let responses = &document["paths"][&path][method.as_str().to_lowercase()]["responses"];
        for (status, response) in responses.as_object().unwrap() {
            let text = response["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{method} {path} {status}");
        }
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_there() {
    let house = House::new().await;
    let document: Value = serde_json::from_str(&server::openapi()).unwrap();
    for (method, path) in operations(&document) {
        if path == "/api/changes" {
            continue;
        }
        let uri = path.replace(['{', '}'], "");
        let token = Some(house.running.admin_token.as_str());
        let (_, body) = house.api.ask(method.clone(), &uri, token, None).await;
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("there is no operation"), "{method} {path}: {text}");
    }
    let nowhere = house.api.get("/api/nowhere").await;
    assert_eq!(nowhere["code"], "DH-A002");
}
