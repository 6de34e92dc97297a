//! Sessions: turn a bearer token into the actor as the database sees it now.
//! Not here: passwords (`sign_in`), the renewal and end of a session (`refresh`, `sign_out`), and the transport that
//! carried the token (`http`).
//!
//! The state of a session is cached until a revocation arrives (`revocation`), for at most half a minute: a thousand
//! idle sockets cost an occasional lookup in memory each, and an ended session is refused within a second.

use std::time::Duration;

use moka::sync::Cache;
use sea_orm::FromQueryResult;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::secret;
use super::token::{Claims, Keys};
use crate::access::{Actor, MemberRole, Memberships, Role, Scopes, SignedIn, Via};
use crate::clock::{Clock, Timestamp};
use crate::db::{self, Db, DbError, Priority};
use crate::id::{ApiTokenId, OrganizerId, SessionId, UserId};

/// A user and the session just opened for them.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// User of the session.
    pub user: UserId,
    /// Session that was opened.
    pub session: SessionId,
}

/// Most sessions cached at once.
const REMEMBERED: u64 = 100_000;

/// Precision of the time at which an API token was last used.
const USED_TO_THE: Duration = Duration::from_secs(3_600);

/// Settings of the session cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Time a sign-in is cached when no revocation arrives: a safety net; 30 s.
    pub remembered: Duration,
    /// Set if revocations are read; false only in a test that shows their use.
    pub watched: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { remembered: Duration::from_secs(30), watched: true }
    }
}

/// Refusal of a token. `Invalid` does not tell whether the token is malformed, expired or revoked, or its user
/// disabled: the reason is not disclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// The token is not valid; the client has to sign in again.
    #[error("the access token is not valid; sign in again")]
    Invalid,
    /// The database did not answer; the token may be valid.
    #[error("the session cannot be checked right now; try again")]
    Unavailable,
}

/// Change of an actor during a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once per change and taken apart at once")]
pub enum Change {
    /// The actor is no longer signed in.
    Ended(End),
    /// The rights of the actor have changed.
    Rights(Actor),
}

/// Reason for the end of a sign-in. Told only to the holder of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The token has expired; the sign-in may continue with the next one.
    Expired,
    /// The sign-in was ended, the token revoked, or the account disabled.
    SignedOut,
}

impl End {
    /// Returns a sentence for the holder of the token.
    pub fn message(self) -> &'static str {
        match self {
            Self::Expired => "Your access token expired: refresh it and subscribe again.",
            Self::SignedOut => "Your session ended; sign in again.",
        }
    }
}

/// Looks up sessions; cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    clock: Clock,
    keys: Keys,
    /// State of each cached session or API token, by its id.
    known: Cache<Uuid, Option<Standing>>,
    /// Generation of the cache, increased with every invalidation. [`change`](Self::change) waits for those that
    /// notify.
    forgotten: watch::Sender<u64>,
    /// Time at which the use of an API token was last recorded.
    noted: Cache<Uuid, Timestamp>,
}

/// State of a sign-in according to the database.
#[derive(Debug, Clone)]
struct Standing {
    user: UserId,
    role: Role,
    memberships: Memberships,
    /// State of the API token; None for a session.
    token: Option<TokenStanding>,
}

#[derive(Debug, Clone)]
struct TokenStanding {
    hash: String,
    scopes: Scopes,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct SessionRow {
    user_id: UserId,
    role: Role,
    organizer_id: Option<OrganizerId>,
    member_role: Option<MemberRole>,
}

#[derive(FromQueryResult)]
struct TokenRow {
    user_id: UserId,
    role: Role,
    organizer_id: Option<OrganizerId>,
    member_role: Option<MemberRole>,
    hash: String,
    scopes: i64,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
}

impl Sessions {
    /// Creates a lookup of sessions with tokens signed by `keys`.
    pub fn new(db: Db, clock: Clock, keys: Keys, settings: Settings) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(settings.remembered).build();
        Self { db, clock, keys, known, forgotten: watch::Sender::default(), noted: Cache::new(REMEMBERED) }
    }

    /// Signs a token for a session that was just opened. Returns it and its expiry.
    pub fn token(&self, user: UserId, session: SessionId) -> Result<(String, Timestamp), jsonwebtoken::errors::Error> {
        self.keys.sign(user, session, self.clock.now())
    }

    /// Returns the keys that sign tokens.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the actor of a bearer token; anonymous without a token.
    pub async fn identify(&self, bearer: Option<&str>) -> Result<Actor, Unauthenticated> {
        let Some(token) = bearer else { return Ok(Actor::Anonymous) };
        if token.starts_with(secret::API_TOKEN) {
            return self.program(token).await;
        }
        let claims: Claims = self.keys.verify(token, self.clock.now()).ok_or(Unauthenticated::Invalid)?;
        let expires_at = Timestamp(claims.exp.saturating_mul(1_000_000));
        self.person(claims.sub, claims.sid, expires_at).await
    }

    /// Returns true if the database has to be asked for this token: an API token that was not used for a while, or an
    /// invented one. An access token without a valid signature is refused without the database.
    pub fn is_unknown(&self, bearer: &str) -> bool {
        secret::parse_api_token(bearer).is_some_and(|(id, _)| !self.known.contains_key(&id.0))
    }

    /// Returns the same actor as the database sees it now. Refused if the token has expired, the session was revoked or
    /// the user disabled.
    pub async fn refresh(&self, actor: &Actor) -> Result<Actor, Unauthenticated> {
        let Actor::User(user) = actor else { return Ok(*actor) };
        if user.expires_at <= self.clock.now() {
            return Err(Unauthenticated::Invalid);
        }
        match user.via {
            Via::Session(session) => self.person(user.user, session, user.expires_at).await,
            Via::ApiToken(id, _) => {
                let standing = self.standing(id.0).await?.ok_or(Unauthenticated::Invalid)?;
                self.program_of(id, &standing)
            }
        }
    }

    /// Waits until the database gives another answer about an actor. It is asked when a revocation notifies, and at
    /// intervals of `every`, because tokens also expire without one. If the database cannot be asked, its last answer
    /// stays valid.
    pub async fn change(&self, actor: Actor, every: Duration) -> Change {
        if !matches!(actor, Actor::User(_)) {
            return std::future::pending().await;
        }
        let mut forgotten = self.forgotten.subscribe();
        // An interval of its own, which notifications do not reset: revocations must not synchronise the lookups of all
        // sockets.
        let mut pace = interval_at(Instant::now() + every, every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.refresh(&actor).await {
                Ok(now) if now != actor => return Change::Rights(now),
                Ok(_) | Err(Unauthenticated::Unavailable) => {}
                Err(Unauthenticated::Invalid) => return Change::Ended(self.end_of(&actor)),
            }
            tokio::select! {
                _ = forgotten.changed() => {} // no error: the sender is here
                _ = pace.tick() => {}
            }
        }
    }

    fn end_of(&self, actor: &Actor) -> End {
        let is_over = actor.signed_in().is_some_and(|user| user.expires_at <= self.clock.now());
        if is_over { End::Expired } else { End::SignedOut }
    }

    /// Invalidates the cached state of these sign-ins, so that the database is asked again.
    pub fn forget(&self, subjects: impl IntoIterator<Item = Uuid>) {
        // First increase the generation, so that lookups in flight discard their results.
        self.forgotten.send_if_modified(|times| {
            *times += 1;
            false // without a notification
        });
        for subject in subjects {
            self.known.invalidate(&subject);
        }
    }

    /// Invalidates the cached state and notifies every waiter in [`change`](Self::change). All of them look up their
    /// actor, so a single client must not be able to trigger it.
    pub fn forget_aloud(&self, subjects: impl IntoIterator<Item = Uuid>) {
        self.forget(subjects);
        self.forgotten.send_modify(|times| *times += 1);
    }

    async fn person(&self, user: UserId, session: SessionId, expires_at: Timestamp) -> Result<Actor, Unauthenticated> {
        match self.standing(session.0).await? {
            Some(Standing { user: owner, role, memberships, token: None }) if owner == user => {
                Ok(Actor::User(SignedIn { user, role, memberships, via: Via::Session(session), expires_at }))
            }
            _ => Err(Unauthenticated::Invalid),
        }
    }

    async fn program(&self, token: &str) -> Result<Actor, Unauthenticated> {
        let (id, secret) = secret::parse_api_token(token).ok_or(Unauthenticated::Invalid)?;
        let standing = self.standing(id.0).await?.ok_or(Unauthenticated::Invalid)?;
        let is_it = standing.token.as_ref().is_some_and(|token| token.hash == secret::hash(&secret));
        if !is_it {
            return Err(Unauthenticated::Invalid);
        }
        let actor = self.program_of(id, &standing)?;
        self.note_use(id, &standing);
        Ok(actor)
    }

    fn program_of(&self, id: ApiTokenId, standing: &Standing) -> Result<Actor, Unauthenticated> {
        let Standing { user, role, memberships, token: Some(token) } = standing else {
            return Err(Unauthenticated::Invalid);
        };
        if token.expires_at <= self.clock.now() {
            return Err(Unauthenticated::Invalid);
        }
        let via = Via::ApiToken(id, token.scopes);
        let expires_at = token.expires_at;
        Ok(Actor::User(SignedIn { user: *user, role: *role, memberships: *memberships, via, expires_at }))
    }

    /// Records the use of a token, once an hour and in the background.
    fn note_use(&self, id: ApiTokenId, standing: &Standing) {
        let now = self.clock.now();
        let used_at = self.noted.get(&id.0).max(standing.token.as_ref().and_then(|token| token.used_at));
        if used_at.is_some_and(|used_at| used_at > now.minus(USED_TO_THE)) {
            return;
        }
        self.noted.insert(id.0, now);
        let db = self.db.clone();
        tokio::spawn(async move {
            let sql = "UPDATE api_token SET used_at = $1 WHERE id = $2";
            let write = |tx: db::Tx| async move { db::run(&tx, sql, [now.into(), id.into()]).await };
            if let Err(error) = db.write::<_, DbError, _, _>(Priority::Worker, write).await {
                tracing::warn!(%error, "cannot record the use of an API token");
            }
        });
    }

    async fn standing(&self, subject: Uuid) -> Result<Option<Standing>, Unauthenticated> {
        if let Some(standing) = self.known.get(&subject) {
            return Ok(standing);
        }
        let before = *self.forgotten.borrow();
        let standing = self.ask(subject).await.map_err(|error| {
            tracing::error!(%error, "cannot look up a session");
            Unauthenticated::Unavailable
        })?;
        // If the entry was invalidated meanwhile, the answer of the database may be older than the reason. Checked
        // before and after the insertion, because the insertion takes time too.
        let is_current = || *self.forgotten.borrow() == before;
        if is_current() {
            self.known.insert(subject, standing.clone());
            if !is_current() {
                self.known.invalidate(&subject);
            }
        }
        Ok(standing)
    }

    async fn ask(&self, subject: Uuid) -> Result<Option<Standing>, DbError> {
        // A row per membership, or a single one without.
        let sql = "SELECT s.user_id, u.role, m.organizer_id, m.role AS member_role FROM session s
                   JOIN users u ON u.id = s.user_id
                   LEFT JOIN membership m ON m.user_id = u.id
                   WHERE s.id = $1 AND s.revoked_at IS NULL AND u.disabled_at IS NULL ORDER BY m.id";
        let rows: Vec<SessionRow> = db::all(self.db.read(), sql, [subject.into()]).await?;
        if let Some(SessionRow { user_id, role, .. }) = rows.first() {
            let memberships = Memberships::of(rows.iter().filter_map(|row| row.organizer_id.zip(row.member_role)));
            return Ok(Some(Standing { user: *user_id, role: *role, memberships, token: None }));
        }
        let sql = "SELECT t.user_id, u.role, m.organizer_id, m.role AS member_role,
                          t.hash, t.scopes, t.expires_at, t.used_at FROM api_token t
                   JOIN users u ON u.id = t.user_id
                   LEFT JOIN membership m ON m.user_id = u.id
                   WHERE t.id = $1 AND t.revoked_at IS NULL AND u.disabled_at IS NULL ORDER BY m.id";
        let rows: Vec<TokenRow> = db::all(self.db.read(), sql, [subject.into()]).await?;
        let memberships = Memberships::of(rows.iter().filter_map(|row| row.organizer_id.zip(row.member_role)));
        Ok(rows.into_iter().next().map(|row| Standing {
            user: row.user_id,
            role: row.role,
            memberships,
            token: Some(TokenStanding {
                hash: row.hash,
                scopes: Scopes::from_bits(row.scopes),
                expires_at: row.expires_at,
                used_at: row.used_at,
            }),
        }))
    }
}
