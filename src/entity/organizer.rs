//! Table `organizer`: accounts that sell tickets.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::OrganizerId;

/// Account that sells tickets.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organizer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrganizerId,
    pub name: String,
    pub slug: String,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
