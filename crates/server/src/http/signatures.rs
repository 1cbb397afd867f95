//! What waits for signatures of operators: shown whole, and taken with what they have signed.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use model::Timestamp;
use store::rows::WantedSet as Told;
use store::{ReadError, Write};
use trust::{Signed, WantedSet};

use super::Shared;
use super::problem::{Answer, Body, Code, Failure};
use crate::clock::now;
use crate::hall::{ADMIN, About, Hall};
use crate::signatures::{self, SignError};

/// What ids of statements of applications begin with; their serials follow.
const APPLICATIONS: &str = "applications-";
/// Names of applications that are told in a line.
const NAMES_MAX: usize = 8;

/// One statement that waits, and the machines that it is over.
struct Waiting {
    serial: u64,
    signed: Signed,
    rows: Vec<Told>,
}

#[utoipa::path(
    get, path = "/api/signatures",
    responses((status = 200, body = api::Listing<api::Unsigned>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Unsigned>>> {
    let items = waiting(&hall).await?.iter().map(|one| view(&hall, one)).collect();
    Ok(Json(api::Listing { items, next: None }))
}

/// All that a signature would cover.
#[utoipa::path(
    get, path = "/api/signatures/{id}", params(("id",)),
    responses((status = 200, body = api::ToSign))
)]
pub async fn show(State(hall): Shared, Path(id): Path<String>) -> Answer<Json<api::ToSign>> {
    let one = find(&hall, &id).await?;
    let (mut sets, mut places) = (Vec::new(), BTreeMap::new());
    let mut computers = Vec::with_capacity(one.rows.len());
    for row in &one.rows {
        let set = *places.entry(&row.set).or_insert_with(|| {
            sets.push(hex::encode(&row.set));
            sets.len() as u64 - 1
        });
        let known = hall.store.computer(row.computer).await?;
        computers.push(api::ComputerToSign {
            name: known.map_or_else(String::new, |known| known.computer.name),
            leaf: hex::encode(&row.leaf),
            proof: hex::encode(&row.proof),
            set,
        });
    }
    let (unsigned, signed) = (view(&hall, &one), hex::encode(one.signed.encode()));
    Ok(Json(api::ToSign { unsigned, signed, computers, sets }))
}

/// Takes the signatures of operators, and tells agents once there are enough.
#[utoipa::path(
    post, path = "/api/signatures/{id}", params(("id",)), request_body = api::SignedEnvelope,
    responses((status = 200, body = api::Unsigned), (status = 409, body = api::Problem))
)]
pub async fn sign(
    State(hall): Shared,
    Path(id): Path<String>,
    Body(asked): Body<api::SignedEnvelope>,
) -> Answer<Json<api::Unsigned>> {
    let wrong = |why: String| {
        let text = format!("this is no signed envelope: {why}");
        Failure::new(Code::Request, text, "`deskhand keys operator sign` sends one")
    };
    let bytes = hex::decode(asked.signed.trim()).map_err(|error| wrong(error.to_string()))?;
    let given = Signed::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
    let one = find(&hall, &id).await?;
    let signed = signatures::merged(&hall.identity.document(), &one.signed, &given, now())?;
    let one = Waiting { signed, ..one };
    let unsigned = view(&hall, &one);
    let text = format!(
        "what {} computers are to have ({}) was signed by {}; {} signatures are missing",
        unsigned.computers,
        unsigned.what,
        unsigned.signed_by.join(", "),
        unsigned.missing
    );
    let envelope = one.signed.encode();
    let sign = Write::SignWantedSets { serial: one.serial, envelope };
    hall.writer.submit(vec![sign, hall.event("keys", About::NOTHING, ADMIN, text)]).await?;
    hall.wanted.look_again();
    Ok(Json(unsigned))
}

/// Statements that machines have not taken, as too few have signed them.
async fn waiting(hall: &Hall) -> Result<Vec<Waiting>, ReadError> {
    let document = hall.identity.document();
    if !signatures::wants_others(&document) {
        return Ok(Vec::new());
    }
    let mut by_serial: BTreeMap<u64, Vec<Told>> = BTreeMap::new();
    for row in hall.store.wanted_sets().await? {
        by_serial.entry(row.serial).or_default().push(row);
    }
    let instant = now();
    let waiting = by_serial.into_iter().filter_map(|(serial, rows)| {
        let signed = Signed::decode(&rows.first()?.envelope).ok()?;
        let is_open = rows.iter().any(|row| row.taken < serial)
            && signatures::missing(&document, &signed, instant) > 0;
        is_open.then_some(Waiting { serial, signed, rows })
    });
    Ok(waiting.collect())
}

async fn find(hall: &Hall, id: &str) -> Answer<Waiting> {
    let found = waiting(hall).await?.into_iter().find(|one| id_of(one) == id);
    found.ok_or_else(|| {
        let hint = "`deskhand keys operator list` shows what waits; what changed is stated anew";
        Failure::not_found("statement that waits for a signature", id).hinted(Code::NotFound, hint)
    })
}

fn id_of(one: &Waiting) -> String {
    format!("{APPLICATIONS}{}", one.serial)
}

fn view(hall: &Hall, one: &Waiting) -> api::Unsigned {
    let document = hall.identity.document();
    let sets = one.rows.iter().filter_map(|row| WantedSet::decode(&row.set).ok());
    let names: BTreeSet<String> =
        sets.flat_map(|set| set.applications).map(|wanted| wanted.name).collect();
    let mut what: Vec<String> = names.iter().take(NAMES_MAX).cloned().collect();
    if names.len() > NAMES_MAX {
        what.push(format!("{} more", names.len() - NAMES_MAX));
    }
    let signers = one.signed.signatures().iter();
    api::Unsigned {
        id: id_of(one),
        kind: "applications".to_owned(),
        what: if what.is_empty() { "nothing any more".to_owned() } else { what.join(", ") },
        computers: one.rows.len() as u64,
        made_at: one.rows.first().map_or(0, |row| Timestamp::as_millis(row.made_at)),
        signed_by: signers.map(|(key, _)| key.to_string()).collect(),
        missing: signatures::missing(&document, &one.signed, now()) as u64,
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        let hint = match error {
            SignError::Other => "look at it anew: `deskhand keys operator list`",
            SignError::NoOperator(_) | SignError::BadSignature(_) => {
                "`deskhand keys list` shows whose signatures count"
            }
            SignError::NothingNew => "sign with the key of another operator",
        };
        Self::new(Code::Signature, error.to_string(), hint)
    }
}
