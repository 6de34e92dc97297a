//! Memberships of a user: the organizers that the user acts for, with a role for each.
//! Not here: the actions of each role (`policy`), and changes of memberships (`account::team`).

use crate::id::OrganizerId;
use crate::status::MemberRole;

/// Memberships of a user, oldest first. A copy instead of a shared list: it is compared and copied for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memberships {
    of: [Option<(OrganizerId, MemberRole)>; Self::MAX],
}

impl Memberships {
    /// The most organizers that one user acts for.
    pub const MAX: usize = 16;

    /// Returns the list of these memberships; those beyond [`MAX`](Self::MAX) are left out and allow nothing.
    pub fn of(memberships: impl IntoIterator<Item = (OrganizerId, MemberRole)>) -> Self {
        let mut all = Self { of: [None; Self::MAX] };
        for (place, membership) in all.of.iter_mut().zip(memberships) {
            *place = Some(membership);
        }
        all
    }

    /// Returns an iterator over the organizers and the role for each.
    pub fn iter(&self) -> impl Iterator<Item = (OrganizerId, MemberRole)> {
        self.of.iter().copied().flatten()
    }

    /// Returns the role for an organizer, if the user is a member.
    pub fn role_in(&self, organizer: OrganizerId) -> Option<MemberRole> {
        self.iter().find(|(of, _)| *of == organizer).map(|(_, role)| role)
    }
}
