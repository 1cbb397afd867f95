//! Acting as a user of Windows, as far as Wine has users: there is one, whoever started it.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::identity::{IdentityError, LOGGED_ON_USER, own_user, resolve};
use machine::registry::{Registry, SystemRegistry};
use machine::{
    Command, ExecuteEnd, ExecuteSpec, Stream, Visibility, Waiting, decode_output, execute_as,
};
use model::registry::{Data, Key};

#[tokio::test]
async fn a_command_has_the_users_token_environment_and_folder() {
    let (user, domain) = own_user();
    assert!(!user.is_empty() && !domain.is_empty());
    let identity = resolve(&user, &domain, None).unwrap();
    assert_eq!((identity.user(), identity.domain()), (user.as_str(), domain.as_str()));
    let spec = ExecuteSpec {
        command: Command::Shell("echo %USERNAME%-%EXTRA%-%DESKHAND_EFFECT%-%CARGO%&exit 7".into()),
        folder: None,
        environment: BTreeMap::from([("EXTRA".to_owned(), "given".to_owned())]),
        visibility: Visibility::Default,
        waiting: Waiting::ForTheEnd,
        timeout: Some(Duration::from_secs(60)),
        effect: "effect-8".into(),
    };
    let mut out = Vec::new();
    let ended = execute_as(&spec, Some(&identity), std::future::pending(), |stream, bytes| {
        if stream == Stream::Stdout {
            out.extend_from_slice(bytes);
        }
    });
    assert_eq!(ended.await.unwrap(), ExecuteEnd::Exited { code: 7 });
    let out = decode_output(&out);
    assert!(out.to_lowercase().starts_with(&format!("{user}-given-effect-8-").to_lowercase()));
}

#[test]
fn who_is_logged_on_is_found() {
    match resolve(LOGGED_ON_USER, "", None) {
        Ok(identity) => assert_eq!(identity.user().to_lowercase(), own_user().0.to_lowercase()),
        Err(IdentityError::NobodyLoggedOn) => println!("Wine says that nobody is logged on"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn users_without_a_password_must_be_logged_on() {
    let error = resolve("no-such-user-anywhere", "", None).unwrap_err();
    assert!(matches!(error, IdentityError::NeedsPassword { .. }), "{error}");
}

/// Under a token the user's own keys are those of `HKEY_USERS` with the user's SID.
#[test]
fn the_registry_under_a_token_is_the_users() {
    let identity = resolve(&own_user().0, "", None).unwrap();
    let key = Key::parse(r"HKCU\Software\Deskhand Test\identity").unwrap();
    let mut theirs = SystemRegistry::open(Some(&identity)).unwrap();
    theirs.create(&key).unwrap();
    theirs.set(&key, "who", &Data::text("me")).unwrap();
    drop(theirs);
    let mut own = SystemRegistry::open(None).unwrap();
    assert_eq!(own.value(&key, "who").unwrap(), Some(Data::text("me")));
    own.delete(&key).unwrap();
}
