//! `boxoffice migrate`: applies the pending migrations of `migration/`.
//! Not here: the migrations.

use super::{Failure, StoreArgs};
use crate::app::StartError;
use crate::db::Db;
use crate::id::RandomSource;

/// Applies every pending migration.
pub async fn migrate(store: StoreArgs) -> Result<(), Failure> {
    let target = store.target()?;
    let db = Db::open(&target, true, RandomSource::system()).await.map_err(StartError::from)?;
    db.close().await;
    println!("{} is up to date (release {}).", target.shown(), migration::RELEASE);
    Ok(())
}
