//! Table `membership_invitation`: invitations to act for organizers.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{InvitationId, OrganizerId, UserId};
use crate::status::{InvitationStatus, MemberRole};

/// Invitation of an e-mail address to the team of an organizer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership_invitation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    pub organizer_id: OrganizerId,
    pub email: String,
    pub email_key: String,
    pub role: MemberRole,
    pub status: InvitationStatus,
    pub invited_by: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
