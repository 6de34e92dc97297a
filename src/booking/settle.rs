//! Writing what was decided: one ledger per transaction, a statement per table, facts last.
//! Not here: deciding (`allocate`), and who asked for it.

use sea_orm::FromQueryResult;

use super::allocate::{Floor, Promotion, Queued};
use super::rows::{BookingRow, Cancelled, Ended, EntryRow, Grown, ItemRow, QuotaDelta, Reference, Served, StockRow};
use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx};
use crate::fact::Fact;
use crate::id::{BookingId, EntryId, TicketTypeId, UserId};
use crate::idempotency::{self, Answer};
use crate::outbox::{self, Draft};
use crate::status::{BookingStatus, CancelReason, LeaveReason, WaitlistStatus};

/// A booking that is to be cancelled.
#[derive(Debug, Clone, Copy)]
pub struct Cancellation {
    /// Which.
    pub booking: BookingId,
    /// Whose.
    pub user: UserId,
    /// Its places.
    pub quantity: i64,
    /// Why.
    pub reason: CancelReason,
}

/// An entry that is to end without places.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// Which.
    pub entry: EntryId,
    /// Whose.
    pub user: UserId,
    /// What it still wanted.
    pub quantity: i64,
    /// Why.
    pub reason: LeaveReason,
}

/// Everything one transaction writes about bookings and lines.
pub struct Ledger {
    ctx: Ctx,
    now: Micros,
    quotas: Vec<QuotaDelta>,
    stocks: Vec<StockRow>,
    bookings: Vec<BookingRow>,
    items: Vec<ItemRow>,
    cancelled: Vec<Cancelled>,
    entries: Vec<EntryRow>,
    served: Vec<Served>,
    grown: Vec<Grown>,
    ended: Vec<Ended>,
    answers: Vec<Answer>,
    facts: Vec<Draft>,
}

impl Ledger {
    /// An empty ledger of this moment.
    pub fn new(ctx: &Ctx) -> Self {
        Self {
            ctx: ctx.clone(),
            now: ctx.now(),
            quotas: Vec::new(),
            stocks: Vec::new(),
            bookings: Vec::new(),
            items: Vec::new(),
            cancelled: Vec::new(),
            entries: Vec::new(),
            served: Vec::new(),
            grown: Vec::new(),
            ended: Vec::new(),
            answers: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// The moment everything in it happens.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Adds a fact, caused by `actor`.
    pub fn tell(&mut self, actor: Option<UserId>, fact: Fact) {
        self.facts.push(Draft::new(&self.ctx, fact).caused_by(actor));
    }

    /// Keeps the answer to a keyed request.
    pub fn answer(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    /// A confirmed booking of places that `allocate` already counted.
    pub fn book(
        &mut self,
        floor: &Floor,
        user: UserId,
        places: &[(TicketTypeId, i64)],
        promoted_from: Option<EntryId>,
        actor: Option<UserId>,
    ) -> Option<BookingId> {
        let slot = places.first().and_then(|(kind, _)| floor.kind(*kind))?.slot;
        let id: BookingId = self.ctx.id();
        self.bookings.push(BookingRow {
            id,
            reference: self.ctx.chance.reference(),
            event_id: floor.event,
            slot_id: slot,
            user_id: user,
            status: BookingStatus::Confirmed,
            entry_id: promoted_from,
            created_at: self.now,
            updated_at: self.now,
        });
        let mut quantity = 0;
        for (kind, places) in places {
            quantity += places;
            self.items.push(ItemRow {
                id: self.ctx.id(),
                booking_id: id,
                ticket_type_id: *kind,
                quantity: *places,
                unit_price_minor: floor.kind(*kind).map_or(0, |kind| kind.price_minor),
            });
        }
        let (event, organizer) = (floor.event, floor.organizer);
        self.tell(actor, Fact::BookingCreated { booking: id, event, organizer, user, quantity });
        self.tell(actor, Fact::BookingConfirmed { booking: id, event, organizer, user, quantity });
        Some(id)
    }

    /// What the line gave: a booking per promotion, the entry smaller or fulfilled.
    pub fn promote(&mut self, floor: &Floor, promotions: &[Promotion]) {
        for Promotion { waiting, granted } in promotions {
            let places = [(waiting.kind, *granted)];
            let Some(booking) = self.book(floor, waiting.user, &places, Some(waiting.entry), None) else { continue };
            match self.entries.iter_mut().find(|entry| entry.id == waiting.entry) {
                Some(entry) => entry.serve(*granted), // joined in this very transaction
                None => self.served.push(Served { id: waiting.entry, granted: *granted }),
            }
            let fact = Fact::WaitlistPromoted {
                entry: waiting.entry,
                booking,
                event: floor.event,
                organizer: floor.organizer,
                user: waiting.user,
                quantity: *granted,
                remaining: waiting.quantity - granted,
            };
            self.tell(None, fact);
        }
    }

    /// A new or grown place in the line.
    pub fn queue(&mut self, floor: &Floor, user: UserId, queued: &Queued) -> EntryId {
        let Queued { entry, more, line_no, .. } = *queued;
        let accepts_part = i64::from(queued.accepts_part);
        // Orders that are decided together may be one person's: what was entered for the first grows with the next.
        if let Some(row) = self.entries.iter_mut().find(|row| row.id == entry) {
            row.grow(more, accepts_part, line_no);
        } else if let Some(row) = self.grown.iter_mut().find(|row| row.id == entry) {
            row.grow(more, accepts_part, line_no);
        } else if queued.grew {
            self.grown.push(Grown { id: entry, more, accepts_part, line_no });
        } else {
            self.entries.push(EntryRow {
                id: entry,
                event_id: floor.event,
                ticket_type_id: queued.kind,
                quota_id: queued.quota,
                user_id: user,
                status: WaitlistStatus::Waiting,
                quantity: queued.quantity,
                granted: 0,
                accepts_part,
                line_no,
                created_at: self.now,
                updated_at: self.now,
            });
        }
        let fact = Fact::WaitlistJoined {
            entry,
            event: floor.event,
            organizer: floor.organizer,
            user,
            quantity: queued.quantity,
        };
        self.tell(Some(user), fact);
        entry
    }

    /// Bookings that no longer claim places; the caller gave the places back to the floor.
    pub fn cancel(&mut self, floor: &Floor, cancellations: &[Cancellation], actor: Option<UserId>) {
        for Cancellation { booking, user, quantity, reason } in cancellations {
            self.cancelled.push(Cancelled { id: *booking, cancel_reason: *reason });
            let fact = Fact::BookingCancelled {
                booking: *booking,
                event: floor.event,
                organizer: floor.organizer,
                user: *user,
                quantity: *quantity,
                reason: *reason,
            };
            self.tell(actor, fact);
        }
    }

    /// Entries that end without places.
    pub fn leave(&mut self, floor: &Floor, leavings: &[Leaving], actor: Option<UserId>) {
        for Leaving { entry, user, quantity, reason } in leavings {
            let status = match reason {
                LeaveReason::Left => WaitlistStatus::Left,
                LeaveReason::EventCancelled => WaitlistStatus::Closed,
            };
            self.ended.push(Ended { id: *entry, status });
            let fact = Fact::WaitlistLeft {
                entry: *entry,
                event: floor.event,
                organizer: floor.organizer,
                user: *user,
                quantity: *quantity,
                reason: *reason,
            };
            self.tell(actor, fact);
        }
    }

    /// The counters of one event, from how it was read to how it is left. One new revision if anything moved.
    pub fn count(&mut self, before: &Floor, after: &Floor, line_moved: bool) {
        let deltas: Vec<QuotaDelta> = before
            .pools
            .iter()
            .zip(&after.pools)
            .map(|(old, new)| QuotaDelta {
                id: new.id,
                sold: new.sold - old.sold,
                held: new.held - old.held,
                capacity: new.capacity - old.capacity,
            })
            .filter(|delta| (delta.sold, delta.held, delta.capacity) != (0, 0, 0))
            .collect();
        let moved = !deltas.is_empty() || line_moved || before.line_tail != after.line_tail;
        if !moved {
            return;
        }
        self.quotas.extend(deltas);
        let revision = before.revision + 1;
        self.stocks.push(StockRow { event_id: after.event, revision, line_tail: after.line_tail });
        self.tell(None, Fact::AvailabilityChanged { event: after.event, revision });
    }

    /// Writes everything, in lock order; facts last.
    pub async fn write(mut self, tx: &Tx) -> Result<(), DbError> {
        self.choose_free_references(tx).await?;
        // Differences, not totals: were the lock ever missing, the CHECK would still refuse to oversell.
        let sql = "UPDATE quota SET sold = quota.sold + r.sold, held = quota.held + r.held,
                   capacity = quota.capacity + r.capacity FROM {records} WHERE quota.id = r.id";
        db::update_by(tx, sql, &self.quotas, []).await?;
        let sql = "UPDATE stock SET revision = r.revision, line_tail = r.line_tail FROM {records}
                   WHERE stock.event_id = r.event_id";
        db::update_by(tx, sql, &self.stocks, []).await?;

        db::insert(tx, "booking", &self.bookings, "").await?;
        db::insert(tx, "booking_item", &self.items, "").await?;
        let sql = "UPDATE booking SET status = 'CANCELLED', cancel_reason = r.cancel_reason, updated_at = $2
                   FROM {records} WHERE booking.id = r.id
                   AND booking.status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED')";
        let changed = db::update_by(tx, sql, &self.cancelled, [self.now.into()]).await?;
        expect(changed, self.cancelled.len(), "bookings cancelled")?;

        // Before it is served: what it asks for now counts when it gets something in the same transaction.
        let sql = "UPDATE waitlist_entry SET quantity = quantity + r.more, line_no = r.line_no,
                   accepts_part = r.accepts_part, updated_at = $2 FROM {records} WHERE waitlist_entry.id = r.id AND status = 'WAITING'";
        let changed = db::update_by(tx, sql, &self.grown, [self.now.into()]).await?;
        expect(changed, self.grown.len(), "entries grown")?;
        let sql =
            "UPDATE waitlist_entry SET quantity = quantity - r.granted, granted = waitlist_entry.granted + r.granted,
                   status = CASE WHEN quantity = r.granted THEN 'FULFILLED' ELSE status END, updated_at = $2
                   FROM {records} WHERE waitlist_entry.id = r.id AND status = 'WAITING'";
        let changed = db::update_by(tx, sql, &self.served, [self.now.into()]).await?;
        expect(changed, self.served.len(), "entries served")?;
        let sql = "UPDATE waitlist_entry SET status = r.status, updated_at = $2
                   FROM {records} WHERE waitlist_entry.id = r.id AND waitlist_entry.status = 'WAITING'";
        let changed = db::update_by(tx, sql, &self.ended, [self.now.into()]).await?;
        expect(changed, self.ended.len(), "entries ended")?;
        db::insert(tx, "waitlist_entry", &self.entries, "").await?;

        idempotency::keep(tx, &self.answers).await?;
        outbox::append(tx, &self.facts).await
    }

    /// Redraws references that are taken, by an older booking or by another one of this ledger.
    async fn choose_free_references(&mut self, tx: &Tx) -> Result<(), DbError> {
        #[derive(FromQueryResult)]
        struct Taken {
            reference: String,
        }
        loop {
            let asked: Vec<Reference> =
                self.bookings.iter().map(|row| Reference { reference: row.reference.clone() }).collect();
            let sql = "SELECT b.reference FROM {records} JOIN booking b ON b.reference = r.reference";
            let taken: Vec<Taken> = db::select_by(tx, sql, &asked, []).await?;
            let mut seen: std::collections::HashSet<String> = taken.into_iter().map(|row| row.reference).collect();
            let mut redrawn = false;
            for row in &mut self.bookings {
                if !seen.insert(row.reference.clone()) {
                    row.reference = self.ctx.chance.reference();
                    redrawn = true;
                }
            }
            if !redrawn {
                return Ok(());
            }
        }
    }
}

/// A compare-and-swap that missed under our lock means the decision rested on something else than it wrote.
fn expect(changed: u64, wanted: usize, what: &str) -> Result<(), DbError> {
    if changed == wanted as u64 {
        return Ok(());
    }
    Err(DbError::Failed(sea_orm::DbErr::Custom(format!("{what}: {changed} of {wanted}"))))
}
