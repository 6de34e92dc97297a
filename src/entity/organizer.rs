//! Table `organizer`: the account that sells.
//! No behaviour here; what the columns mean stands in `migration/`.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::OrganizerId;

/// The account that sells.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organizer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrganizerId,
    pub name: String,
    pub slug: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
