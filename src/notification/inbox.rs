//! Writing notices: set-based, numbered per user without gaps, one per domain event and user.
//! Not here: choosing the recipients (`audience`).
//!
//! Increasing `inbox.last_seq` locks the user's row until commit, so the order of commits is the order of numbers, and
//! a reader's cursor can never pass a notice that appears later. Rows are updated in user order, so two writers cannot
//! deadlock.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};

use super::NewNotice;
use crate::clock::Timestamp;
use crate::db::{self, DbError, Tx, record};
use crate::domain_event::VERSION;
use crate::id::{BookingId, DomainEventId, EventId, UserId};
use crate::queue::{self, JobKind, NewJob, Queue};

/// Job that delivers a notice on another channel. The queue depends on the cause of the notice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deliver {
    /// Cause of the notice.
    pub domain_event: DomainEventId,
    /// Recipient of the notice.
    pub user: UserId,
    /// Name of the channel.
    pub channel: String,
}

impl JobKind for Deliver {
    const KIND: &'static str = "deliver";
}

/// Name of the only channel besides the app.
pub const LOG: &str = "log";

record! {
    struct Key {
        domain_event_id: DomainEventId,
        user_id: UserId,
    }
}

record! {
    struct Bump {
        user_id: UserId,
        last_seq: i64,
    }
}

record! {
    struct Row {
        user_id: UserId,
        seq: i64,
        domain_event_id: DomainEventId,
        kind: &'static str,
        audience: &'static str,
        cause: &'static str,
        v: i64,
        data: String,
        event_id: Option<EventId>,
        booking_id: Option<BookingId>,
        created_at: Timestamp,
    }
}

record! {
    struct Cause {
        user_id: UserId,
        domain_event_id: DomainEventId,
        seq: i64,
    }
}

#[derive(FromQueryResult)]
struct Notified {
    domain_event_id: DomainEventId,
    user_id: UserId,
}

#[derive(FromQueryResult)]
struct Bumped {
    user_id: UserId,
    last_seq: i64,
}

/// Writes notices in the order given, without those written before, and enqueues their deliveries. Returns the newest
/// number of each user concerned.
pub async fn write(tx: &Tx, notices: &[NewNotice], now: Timestamp) -> Result<Vec<(UserId, i64)>, DbError> {
    let fresh = without_known(tx, notices).await?;
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let mut counts: BTreeMap<UserId, i64> = BTreeMap::new();
    for notice in &fresh {
        *counts.entry(notice.user).or_default() += 1;
    }
    let bumps: Vec<Bump> = counts.iter().map(|(user_id, n)| Bump { user_id: *user_id, last_seq: *n }).collect();
    let sql =
        "INSERT INTO inbox (user_id, last_seq) SELECT user_id, last_seq FROM {records} WHERE true ORDER BY user_id
               ON CONFLICT (user_id) DO UPDATE SET last_seq = inbox.last_seq + excluded.last_seq
               RETURNING user_id, last_seq";
    let heads: Vec<Bumped> = db::select_by(tx, sql, &bumps, []).await?;
    let mut next: HashMap<UserId, i64> = heads
        .iter()
        .map(|head| (head.user_id, head.last_seq - counts.get(&head.user_id).copied().unwrap_or(0)))
        .collect();

    let (mut rows, mut causes) = (Vec::with_capacity(fresh.len()), Vec::new());
    let mut jobs = Vec::with_capacity(fresh.len());
    for notice in &fresh {
        let seq = next.entry(notice.user).or_default();
        *seq += 1;
        rows.push(Row {
            user_id: notice.user,
            seq: *seq,
            domain_event_id: notice.domain_event_id,
            kind: notice.kind.word(),
            audience: notice.audience.word(),
            cause: notice.domain_event.kind(),
            v: VERSION,
            data: notice.domain_event.data().to_string(),
            event_id: notice.event,
            booking_id: notice.booking,
            created_at: notice.at,
        });
        causes.extend(notice.further.iter().map(|id| Cause { user_id: notice.user, domain_event_id: *id, seq: *seq }));
        jobs.push(delivery(notice, now));
    }
    db::insert(tx, "notice", &rows, "").await?;
    if !causes.is_empty() {
        db::insert(tx, "notice_cause", &causes, "ON CONFLICT (user_id, domain_event_id) DO NOTHING").await?;
    }
    queue::enqueue(tx, &jobs).await?;
    Ok(heads.into_iter().map(|head| (head.user_id, head.last_seq)).collect())
}

/// Returns the job that delivers a notice to the log.
fn delivery(notice: &NewNotice, now: Timestamp) -> NewJob {
    let job = Deliver { domain_event: notice.domain_event_id, user: notice.user, channel: LOG.to_owned() };
    NewJob::new(&job, now)
        .in_queue(Queue::of(&notice.domain_event))
        .because_of(notice.domain_event_id)
        .once(format!("{}:{}:{LOG}", notice.domain_event_id, notice.user))
}

/// Returns the notices that tell of something new: at least one of their causes stands in no notice of their user yet.
/// Of
/// two with the same causes only the first is kept.
async fn without_known<'a>(tx: &Tx, notices: &'a [NewNotice]) -> Result<Vec<&'a NewNotice>, DbError> {
    let keys: Vec<Key> = notices
        .iter()
        .flat_map(|notice| notice.causes().map(|id| Key { domain_event_id: id, user_id: notice.user }))
        .collect();
    let sql = "SELECT n.domain_event_id, n.user_id FROM {records}
               JOIN notice n ON n.domain_event_id = r.domain_event_id AND n.user_id = r.user_id
               UNION ALL SELECT n.domain_event_id, n.user_id FROM {records}
               JOIN notice_cause n ON n.domain_event_id = r.domain_event_id AND n.user_id = r.user_id";
    let notified: Vec<Notified> = db::select_by(tx, sql, &keys, []).await?;
    let mut seen: HashSet<(DomainEventId, UserId)> =
        notified.into_iter().map(|one| (one.domain_event_id, one.user_id)).collect();
    // Not `any`: every cause is marked as seen.
    let is_new = |notice: &&NewNotice| notice.causes().filter(|id| seen.insert((*id, notice.user))).count() > 0;
    Ok(notices.iter().filter(is_new).collect())
}
