//! Files by hash: the depot pinned as a tree of hashes, uploads and downloads that are verified,
//! resumed, and send nothing twice.
//!
//! Owns the formats of folder objects, listings, offers and plans, the server's object store, and
//! the rule that a depot path cannot leave the depot. Never speaks to the network (whoever calls
//! hands in [`Fetch`] or passes bytes to an [`Incoming`]) and reads no clock (instants are handed
//! in).
//!
//! * Server: [`ObjectStore::pin`], [`ObjectStore::lookup`], [`ObjectStore::bundle`],
//!   [`ObjectStore::open_range`], [`ObjectStore::deposit`], [`ObjectStore::sweep`].
//! * Agent, upload: [`Listing::open`], [`FetchPlan::of`], [`FetchPlan::carry_out`].
//! * Agent, download: [`Offer::of`], [`open_offered`].

mod bytes;
mod cache;
mod deposit;
mod fetch;
mod folder;
mod graft;
mod hashing;
mod listing;
mod lookup;
mod offer;
mod origins;
mod path;
mod pin;
mod store;

pub use bytes::BytesError;
pub use cache::HashCache;
pub use deposit::{Deposit, DepositCounts, DepositError, DepositOptions, Incoming, Missing};
pub use fetch::{Fetch, FetchError, FetchOptions, FetchPlan, Fetched, Wanted};
pub use folder::{Entry, Folder, FolderError, What};
pub use graft::Graft;
pub use listing::{Listed, Listing, ListingError};
pub use lookup::LookupError;
pub use offer::{Limits, Offer, OfferError, Offered, OfferedWhat, open_offered};
pub use path::{DepotPath, DepotPathError};
pub use pin::{Part, PinError, Pinned};
pub use store::{ObjectStore, StoreError, Swept};
