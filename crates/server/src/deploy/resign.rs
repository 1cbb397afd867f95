//! Warrants signed anew after keys were changed, for what has not ended: it permits what it did.
//!
//! A key that is lost takes its warrants with it. Without this every run that its agent does not
//! hold yet would be refused there. Done at each change of keys and at each start, so that a server
//! that was killed in between goes on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{DeploymentId, Timestamp};
use store::{Write, rows};
use travel::{Covered, Resigned};
use trust::{Leaf, Role, Signed, TargetTree, TrustDocument, Warrant};

use super::DeployError;
use super::leaves::{self, Target};
use crate::clock::now;
use crate::hall::{About, Hall, SELF};

/// How often it is tried anew when deployments go on in between.
const TRIES: u32 = 8;

/// Tells agents of the keys of now, and signs anew what a key permitted that counts no more. Says
/// how many runs that were.
pub async fn resign(hall: &Arc<Hall>) -> Result<usize, DeployError> {
    let mut runs = BTreeSet::new();
    for _ in 0..TRIES {
        let instant = now();
        let document = hall.identity.document();
        let covered = hall.core.ask(|giver, _| giver.covered()).await?;
        let mut all = Vec::new();
        let mut made = BTreeMap::<DeploymentId, usize>::new();
        for covered in covered {
            let made = made.entry(covered.deployment).or_default();
            let number = covered.warrants + *made + 1;
            match anew(hall, &document, &covered, (number, instant)) {
                Ok(Some(resigned)) => {
                    runs.extend(covered.targets.iter().map(|target| target.run));
                    *made += 1;
                    all.push(resigned);
                }
                Ok(None) => {}
                Err(why) => {
                    let about = About { deployment: Some(covered.deployment), ..About::NOTHING };
                    let text = format!("its warrant could not be signed anew: {why}");
                    hall.log("keys", about, SELF, text);
                }
            }
        }
        if let Ok(()) = hall.core.resign(all).await? {
            return Ok(runs.len());
        }
    }
    Err(DeployError::Contended)
}

/// The warrant under the key of now, unless the key that signed it counts.
fn anew(
    hall: &Hall,
    document: &TrustDocument,
    covered: &Covered,
    (number, instant): (usize, Timestamp),
) -> Result<Option<(Resigned, Write)>, String> {
    let signed = Signed::decode(&covered.envelope).map_err(|error| error.to_string())?;
    let warrant = Warrant::decode(signed.payload()).map_err(|error| error.to_string())?;
    if document.keys(Role::Warrant, instant).any(|key| key.id() == warrant.key) {
        return Ok(None);
    }
    let mut targets = Vec::with_capacity(covered.targets.len());
    for target in &covered.targets {
        let leaf = Leaf::decode(&target.leaf).map_err(|error| error.to_string())?;
        targets.push(Target::new(target.run, &leaf, target.reach));
    }
    let tree = TargetTree::new(targets.iter().map(|target| target.digest).collect())
        .map_err(|error| error.to_string())?;
    let created_by = warrant.created_by.clone();
    let envelope = hall.identity.sign(Warrant {
        targets_root: tree.root(),
        targets_count: tree.count(),
        key: hall.identity.key_id(),
        ..warrant
    });
    let row = rows::Warrant {
        deployment: covered.deployment,
        seq: number as u64,
        copy: covered.copy,
        envelope: envelope.clone(),
        leaves: leaves::encode(&targets),
        created_by,
        created_at: instant,
    };
    let resigned = Resigned {
        deployment: covered.deployment,
        of: covered.warrant,
        number,
        envelope: envelope.into(),
        tree,
        runs: targets.iter().map(|target| target.run).collect(),
    };
    Ok(Some((resigned, Write::PutWarrant(row))))
}
