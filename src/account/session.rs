//! Sessions: from a bearer token to the actor as the database sees them now.
//! Not here: passwords (`sign_in`) and the transport that carried the token (`http`).

use std::time::Duration;

use moka::sync::Cache;
use sea_orm::FromQueryResult;

use super::token::{Claims, Keys};
use crate::access::{Actor, Role, SignedIn};
use crate::clock::{Clock, Micros};
use crate::db::{self, Db, DbError};
use crate::id::{OrganizerId, SessionId, UserId};

/// How long the database's word on a session is taken for granted: a revocation or change of role is noticed this
/// much later at most.
const TRUSTED_FOR: Duration = Duration::from_millis(500);

/// How many sessions are remembered at once.
const REMEMBERED: u64 = 100_000;

/// The token is broken, ended or revoked, or its user is disabled. Which of these is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// Sign in again.
    #[error("the access token is not valid; sign in again")]
    Invalid,
    /// The database could not be asked; the token may be fine.
    #[error("the session cannot be checked right now; try again")]
    Unavailable,
}

/// What became of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They are nobody any more: token ended, session revoked, account disabled.
    Ended,
    /// They may do other things now.
    Rights(Actor),
}

/// Looks sessions up; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    clock: Clock,
    keys: Keys,
    known: Cache<SessionId, Option<Standing>>,
}

#[derive(Debug, Clone, Copy, FromQueryResult)]
struct Standing {
    user_id: UserId,
    role: Role,
    organizer_id: Option<OrganizerId>,
}

impl Sessions {
    /// Sessions signed with `keys`.
    pub fn new(db: Db, clock: Clock, keys: Keys) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(TRUSTED_FOR).build();
        Self { db, clock, keys, known }
    }

    /// A token for a session that was just opened, and when it ends.
    pub fn token(&self, user: UserId, session: SessionId) -> Result<(String, Micros), jsonwebtoken::errors::Error> {
        self.keys.sign(user, session, self.clock.now())
    }

    /// The actor behind a bearer token; none: nobody signed in.
    pub async fn identify(&self, bearer: Option<&str>) -> Result<Actor, Unauthenticated> {
        let Some(token) = bearer else { return Ok(Actor::Anonymous) };
        let claims: Claims = self.keys.verify(token, self.clock.now()).ok_or(Unauthenticated::Invalid)?;
        self.standing(claims.sub, claims.sid, Micros(claims.exp.saturating_mul(1_000_000))).await
    }

    /// The same actor as the database sees them now. Refused when the token ended, the session was revoked or the user
    /// disabled.
    pub async fn refresh(&self, actor: &Actor) -> Result<Actor, Unauthenticated> {
        match actor {
            Actor::Anonymous | Actor::System => Ok(*actor),
            Actor::User(user) if user.expires_at <= self.clock.now() => Err(Unauthenticated::Invalid),
            Actor::User(user) => self.standing(user.user, user.session, user.expires_at).await,
        }
    }

    /// Waits until the database says something else about an actor, which is asked `every` so often. When it cannot be
    /// asked, what it said last stands.
    pub async fn change(&self, actor: Actor, every: Duration) -> Change {
        if !matches!(actor, Actor::User(_)) {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(every).await;
            match self.refresh(&actor).await {
                Ok(now) if now != actor => return Change::Rights(now),
                Ok(_) | Err(Unauthenticated::Unavailable) => {}
                Err(Unauthenticated::Invalid) => return Change::Ended,
            }
        }
    }

    async fn standing(&self, user: UserId, session: SessionId, expires_at: Micros) -> Result<Actor, Unauthenticated> {
        let standing = match self.known.get(&session) {
            Some(standing) => standing,
            None => {
                let standing = self.ask(session).await.map_err(|error| {
                    tracing::error!(%error, "cannot look up a session");
                    Unauthenticated::Unavailable
                })?;
                self.known.insert(session, standing);
                standing
            }
        };
        match standing {
            Some(Standing { user_id, role, organizer_id }) if user_id == user => {
                Ok(Actor::User(SignedIn { user, role, organizer: organizer_id, session, expires_at }))
            }
            _ => Err(Unauthenticated::Invalid),
        }
    }

    async fn ask(&self, session: SessionId) -> Result<Option<Standing>, DbError> {
        let sql = "SELECT s.user_id, u.role, m.organizer_id FROM session s
                   JOIN users u ON u.id = s.user_id
                   LEFT JOIN membership m ON m.user_id = u.id
                   WHERE s.id = $1 AND s.revoked_at IS NULL AND u.disabled_at IS NULL";
        db::one(self.db.read(), sql, [session.into()]).await
    }
}
