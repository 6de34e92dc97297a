//! Table `membership`: users that act for organizers.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{MembershipId, OrganizerId, UserId};
use crate::status::MemberRole;

/// Right of a user to act for an organizer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MembershipId,
    pub user_id: UserId,
    pub organizer_id: OrganizerId,
    pub role: MemberRole,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
