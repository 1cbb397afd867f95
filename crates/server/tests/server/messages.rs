//! Messages that workflows send, and the channels they go through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::house::House;
use crate::listeners::{Listener, MailServer};

const PASSWORD: &str = "hand-over-1739";

fn workflow(message: &str) -> String {
    format!(
        "workflow: tell\nstart: tell\nactivities:\n  \
         tell: {{ message: {message}, on: {{ ok: done, error: failed }} }}\n  \
         done: {{ success: {{ message: \"{{{{ activities.tell.id }}}}\" }} }}\n  \
         failed: {{ failure: {{}} }}\n"
    )
}

/// Deploys it to a computer whose agent is never there, and says how it went.
async fn tell(house: &House, message: &str) -> Value {
    let deployment = house.deploy(&workflow(message), &["pc-1"]).await;
    let ended = house.ended(&deployment).await;
    let run = ended["runs"][0]["id"].as_str().unwrap();
    house.api.get(&format!("/api/runs/{run}")).await
}

async fn house() -> House {
    let house = House::new().await;
    house.enrolled("pc-1", 1).await;
    let put = json!({"base64": STANDARD.encode(PASSWORD)});
    assert_eq!(house.api.put("/api/secrets/mail-password", &put).await, Value::Null);
    house
}

async fn set_mail(house: &House, server: &MailServer, tls: &str) -> Value {
    let user = (tls != "none").then_some("desk");
    let secret = (tls != "none").then_some("mail-password");
    let channel = json!({
        "kind": "mail", "host": "127.0.0.1", "port": server.port, "tls": tls, "user": user,
        "secret": secret, "from": "Deskhand <desk@example.org>", "ca": server.ca,
    });
    house.api.put("/api/channels/mail", &channel).await
}

#[tokio::test]
async fn internal_messages_are_kept_listed_and_marked_read() {
    let house = house().await;
    let message =
        r#"{ channel: internal, to: ops, subject: "Hello {{ computer.name }}", text: "Look." }"#;
    let run = tell(&house, message).await;
    assert_eq!(run["run"]["outcome"], "success", "{run}");
    assert_eq!(run["outputs"]["tell"]["id"], "1");
    tell(&house, message).await;

    let listed = house.api.get("/api/messages?limit=1").await;
    assert_eq!((&listed["items"][0]["number"], &listed["next"]), (&json!(2), &json!("2")));
    let listed = house.api.get("/api/messages?limit=1&after=2").await;
    let first = &listed["items"][0];
    assert_eq!(first["subject"], "Hello pc-1");
    assert_eq!((&first["to"], &first["text"]), (&json!("ops"), &json!("Look.")));
    assert!(first["deployment"].is_string() && first["run"].is_string());

    let read = house.api.put("/api/messages/1/read", &Value::Null).await;
    assert_eq!(read["read_by"], "admin");
    let again = house.api.put("/api/messages/1/read", &Value::Null).await;
    assert_eq!(again["read_at"], read["read_at"]);
    let unread = house.api.get("/api/messages?unread=true").await;
    assert_eq!(unread["items"].as_array().unwrap().len(), 1);
    assert_eq!(house.api.get("/api/messages/9").await["code"], "DH-A002");
}

#[tokio::test]
async fn mail_goes_over_tls_signed_in_and_again_when_it_is_put_off() {
    for tls in ["starttls", "implicit", "none"] {
        let house = house().await;
        let mut server = MailServer::start(house.folder.path(), tls);
        assert_eq!(set_mail(&house, &server, tls).await, Value::Null);
        let message = r#"{ channel: mail, to: "a@example.org; b@example.org",
        subject: "Grüße, later", text: "Zeile 1\nZeile 2: {{ computer.name }}" }"#;
        let run = tell(&house, message).await;
        assert_eq!(run["run"]["outcome"], "success", "{tls}: {run}");
        let mail = server.next();
        assert_eq!(mail["subject"], "Grüße, later", "{tls}");
        assert_eq!(mail["to"], json!(["a@example.org", "b@example.org"]));
        assert_eq!(
            mail["text"].as_str().unwrap().replace("\r\n", "\n").trim(),
            "Zeile 1\nZeile 2: pc-1"
        );
        assert_eq!(mail["id"], run["outputs"]["tell"]["id"]);
        assert_eq!(mail["tls"], tls != "none");
        assert_eq!(mail["user"], if tls == "none" { Value::Null } else { json!("desk") });
    }
}

#[tokio::test]
async fn mail_that_cannot_be_delivered_is_an_error_with_the_reason() {
    let house = house().await;
    let server = MailServer::start(house.folder.path(), "starttls");
    set_mail(&house, &server, "starttls").await;
    let note = |run: &Value| run["path"][0]["note"].as_str().unwrap_or_default().to_owned();
    let to = |to: &str| format!("{{ channel: mail, to: \"{to}\", subject: s, text: t }}");
    let refused = tell(&house, &to("nobody@example.org")).await;
    assert_eq!(refused["run"]["outcome"], "failure", "{refused}");
    assert!(note(&refused).contains("no such user"), "{refused}");
    assert!(note(&tell(&house, &to("not an address")).await).contains("no mail address"));

    let wrong = json!({"base64": STANDARD.encode("wrong")});
    house.api.put("/api/secrets/mail-password", &wrong).await;
    let refused = house.api.post("/api/channels/mail/test", &json!({"to": ["a@b.org"]})).await;
    assert_eq!(refused["code"], "DH-A033", "{refused}");

    // Another one's certificate.
    let other = MailServer::start(house.folder.path(), "starttls");
    let mut channel = house.api.get("/api/channels").await["items"][0]["channel"].clone();
    channel["port"] = json!(other.port);
    house.api.put("/api/channels/mail", &channel).await;
    let refused = house.api.post("/api/channels/mail/test", &json!({"to": ["a@b.org"]})).await;
    assert!(refused["message"].as_str().unwrap().contains("certificate"), "{refused}");
}

#[tokio::test]
async fn webhooks_are_signed_and_sent_again_under_the_same_id() {
    let house = house().await;
    let hook = Listener::start(&[500, 429]).await;
    let url = format!("http://{}/in?x=1", hook.address);
    let channel = json!({"kind": "webhook", "url": url, "secret": "mail-password"});
    assert_eq!(house.api.put("/api/channels/ops", &channel).await, Value::Null);
    let message = "{ channel: webhook, to: ops, subject: Done, text: \"on {{ computer.name }}\" }";
    let run = tell(&house, message).await;
    assert_eq!(run["run"]["outcome"], "success", "{run}");
    let came = hook.came();
    assert_eq!(came.len(), 3);
    for request in &came {
        assert_eq!(request.uri, "/in?x=1");
        assert_eq!(run["outputs"]["tell"]["id"], request.header("webhook-id"));
        let signed = [
            request.header("webhook-id"),
            request.header("webhook-timestamp"),
            std::str::from_utf8(&request.body).unwrap(),
        ]
        .join(".");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, PASSWORD.as_bytes());
        let signature =
            STANDARD.decode(request.header("webhook-signature").strip_prefix("v1,").unwrap());
        ring::hmac::verify(&key, signed.as_bytes(), &signature.unwrap()).unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["data"]["text"], "on pc-1");
    }

    let refusing = Listener::start(&[410]).await;
    let url = format!("http://{}/", refusing.address);
    let channel = json!({"kind": "webhook", "url": url, "secret": "mail-password"});
    house.api.put("/api/channels/ops", &channel).await;
    let run = tell(&house, message).await;
    assert_eq!(run["run"]["outcome"], "failure");
    assert!(run["path"][0]["note"].as_str().unwrap().contains("ops: it answers 410"), "{run}");
    assert_eq!(refusing.came().len(), 1);
}

#[tokio::test]
async fn channels_that_make_no_sense_are_refused_and_missing_ones_warned_of() {
    let house = house().await;
    let mail = json!({
        "kind": "mail", "host": "mail.example.org", "port": 587, "tls": "starttls",
        "user": "desk", "secret": "mail-password", "from": "desk@example.org",
    });
    let hook = json!({"kind": "webhook", "url": "https://x.example/", "secret": "mail-password"});
    let with = |base: &Value, name: &str, value: Value| {
        let mut changed = base.clone();
        changed[name] = value;
        changed
    };
    for (name, channel, code) in [
        ("ops", mail.clone(), "DH-A032"),
        ("mail", with(&mail, "tls", json!("none")), "DH-A032"),
        ("mail", with(&mail, "tls", json!("maybe")), "DH-A032"),
        ("mail", with(&mail, "from", json!("nobody")), "DH-A032"),
        ("mail", with(&mail, "port", json!(0)), "DH-A032"),
        ("mail", with(&mail, "user", Value::Null), "DH-A032"),
        ("mail", with(&mail, "ca", json!("no certificate")), "DH-A032"),
        ("mail", with(&mail, "secret", json!("none-such")), "DH-A030"),
        ("mail", hook.clone(), "DH-A032"),
        ("internal", hook.clone(), "DH-A032"),
        ("a b", hook.clone(), "DH-A032"),
        ("ops", with(&hook, "url", json!("ftp://x/")), "DH-A032"),
        ("ops", with(&hook, "url", json!("https://a:b@x/")), "DH-A032"),
        ("ops", with(&hook, "secret", json!("none-such")), "DH-A030"),
    ] {
        let uri = format!("/api/channels/{}", name.replace(' ', "%20"));
        let refused = house.api.put(&uri, &channel).await;
        assert_eq!(refused["code"], code, "{name} {channel}: {refused}");
    }
    for (channel, missing) in [("mail", "`mail`"), ("webhook", "`ops`")] {
        let message = format!("{{ channel: {channel}, to: ops, subject: s, text: t }}");
        let source = workflow(&message);
        let body = json!({"source": source, "targets": {"computers": ["pc-1"]}});
        let deployed = house.api.post("/api/deployments", &body).await;
        let findings = deployed["findings"].to_string();
        assert!(findings.contains("DH-A034") && findings.contains(missing), "{deployed}");
        let ended = house.ended(deployed["deployment"]["id"].as_str().unwrap()).await;
        assert_eq!(ended["runs"][0]["outcome"], "failure");
    }
}
