//! `boxoffice migrate`: brings the database to this release.
//! Not here: the steps (`migration/`).

use super::{Failure, StoreArgs};
use crate::app::StartError;
use crate::db::Db;
use crate::id::Chance;

/// Applies every step that is missing.
pub async fn migrate(store: StoreArgs) -> Result<(), Failure> {
    let target = store.target()?;
    let db = Db::open(&target, true, Chance::system()).await.map_err(StartError::from)?;
    db.close().await;
    println!("{} is at release {}.", target.shown(), migration::RELEASE);
    Ok(())
}
