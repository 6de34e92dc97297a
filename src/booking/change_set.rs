//! Writing of decisions: one change set per transaction, a statement per table, domain events last.
//! Not here: the decisions (`allocate`).

use sea_orm::FromQueryResult;
use serde::Serialize;

use super::allocate::{Inventory, Promotion, Queued, Quota};
use super::rows::{
    Agreed, BookingRow, Cancelled, Ended, EntryRow, ItemRow, QuotaDelta, Reference, Served, SoldOut, StockRow,
};
use super::serve_waitlist;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx};
use crate::domain_event::DomainEvent;
use crate::id::{BookingId, EntryId, QuotaId, TicketTypeId, UserId};
use crate::idempotency::{self, Answer, Keyed};
use crate::outbox::{self, Draft};
use crate::queue::{self, NewJob};
use crate::status::{BookingStatus, CancelReason, LeaveReason, WaitlistStatus};

/// Terms of an entry that is set aside until the tickets its customer returned are sold.
pub const ASIDE: i64 = -1;

/// Booking that is to be cancelled.
#[derive(Debug, Clone, Copy)]
pub struct Cancellation {
    /// Id of the booking.
    pub booking: BookingId,
    /// Customer of the booking.
    pub user: UserId,
    /// Tickets of the booking.
    pub quantity: i64,
    /// Reason of the cancellation.
    pub reason: CancelReason,
}

/// Waitlist entry that is to end without tickets.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// Id of the entry.
    pub entry: EntryId,
    /// Customer of the entry.
    pub user: UserId,
    /// Quota of the waitlist the entry is in.
    pub quota: QuotaId,
    /// Tickets the entry still waits for.
    pub quantity: i64,
    /// Reason the entry ends.
    pub reason: LeaveReason,
}

/// All rows that one transaction writes about bookings and waitlists.
pub struct ChangeSet {
    ctx: Ctx,
    besides: bool,
    now: Timestamp,
    quotas: Vec<QuotaDelta>,
    stocks: Vec<StockRow>,
    bookings: Vec<BookingRow>,
    items: Vec<ItemRow>,
    cancelled: Vec<Cancelled>,
    entries: Vec<EntryRow>,
    served: Vec<Served>,
    aside: Vec<EntryId>,
    sold_out: Vec<SoldOut>,
    ended: Vec<Ended>,
    answers: Vec<Answer>,
    jobs: Vec<NewJob>,
    domain_events: Vec<Draft>,
}

impl ChangeSet {
    /// Returns an empty change set of this moment.
    pub fn new(ctx: &Ctx) -> Self {
        Self {
            ctx: ctx.clone(),
            besides: false,
            now: ctx.now(),
            quotas: Vec::new(),
            stocks: Vec::new(),
            bookings: Vec::new(),
            items: Vec::new(),
            cancelled: Vec::new(),
            entries: Vec::new(),
            served: Vec::new(),
            aside: Vec::new(),
            sold_out: Vec::new(),
            ended: Vec::new(),
            answers: Vec::new(),
            jobs: Vec::new(),
            domain_events: Vec::new(),
        }
    }

    /// Returns an empty change set of a transaction that promotes entries besides its own purpose, or for a job. If
    /// promoting was left to a job before, it requests no further one.
    pub fn besides(ctx: &Ctx) -> Self {
        Self { besides: true, ..Self::new(ctx) }
    }

    /// Adds a domain event caused by `actor`.
    fn tell(&mut self, actor: Option<UserId>, domain_event: DomainEvent) {
        self.domain_events.push(Draft::new(&self.ctx, domain_event).caused_by(actor));
    }

    /// Stores the outcome of a request, if the request has an idempotency key.
    pub fn answer(&mut self, keyed: Option<&Keyed>, outcome: &impl Serialize) {
        self.answers.extend(keyed.map(|keyed| keyed.answer(outcome, self.now)));
    }

    /// Adds a confirmed booking of tickets that `allocate` already counted.
    pub fn book(
        &mut self,
        inventory: &Inventory,
        user: UserId,
        tickets: &[(TicketTypeId, i64)],
        promoted_from: Option<EntryId>,
        actor: Option<UserId>,
    ) -> Option<BookingId> {
        let slot = tickets.first().and_then(|(ticket_type, _)| inventory.ticket_type(*ticket_type))?.slot;
        let id: BookingId = self.ctx.id();
        self.bookings.push(BookingRow {
            id,
            reference: self.ctx.random.reference(),
            event_id: inventory.event,
            slot_id: slot,
            user_id: user,
            status: BookingStatus::Confirmed,
            entry_id: promoted_from,
            created_at: self.now,
            updated_at: self.now,
        });
        let mut quantity = 0;
        for (ticket_type, tickets) in tickets {
            quantity += tickets;
            self.items.push(ItemRow {
                id: self.ctx.id(),
                booking_id: id,
                ticket_type_id: *ticket_type,
                quantity: *tickets,
                unit_price_minor: inventory.ticket_type(*ticket_type).map_or(0, |ticket_type| ticket_type.price_minor),
            });
        }
        let (event, organizer) = (inventory.event, inventory.organizer);
        self.tell(actor, DomainEvent::BookingCreated { booking: id, event, organizer, user, quantity });
        let entry = promoted_from;
        self.tell(actor, DomainEvent::BookingConfirmed { booking: id, event, organizer, user, quantity, entry });
        Some(id)
    }

    /// Adds the promotions of a waitlist: a booking per promotion; the entry becomes smaller or fulfilled.
    pub fn promote(&mut self, inventory: &Inventory, promotions: &[Promotion]) {
        for Promotion { waiting, granted } in promotions {
            let tickets = [(waiting.ticket_type, *granted)];
            let Some(booking) = self.book(inventory, waiting.user, &tickets, Some(waiting.entry), None) else {
                continue;
            };
            self.served.push(Served { id: waiting.entry, granted: *granted });
            let domain_event = DomainEvent::WaitlistPromoted {
                entry: waiting.entry,
                booking,
                event: inventory.event,
                organizer: inventory.organizer,
                user: waiting.user,
                quantity: *granted,
                remaining: waiting.quantity - granted,
            };
            self.tell(None, domain_event);
        }
    }

    /// Adds a new waitlist entry.
    pub fn queue(&mut self, inventory: &Inventory, queued: &Queued) -> EntryId {
        let Queued { quota, waiting } = *queued;
        self.entries.push(EntryRow {
            id: waiting.entry,
            event_id: inventory.event,
            ticket_type_id: waiting.ticket_type,
            quota_id: quota,
            user_id: waiting.user,
            status: WaitlistStatus::Waiting,
            quantity: waiting.quantity,
            granted: 0,
            accepts_part: i64::from(waiting.accepts_part),
            position_key: waiting.position_key,
            terms: waiting.terms,
            asked: waiting.asked,
            created_at: self.now,
            updated_at: self.now,
        });
        let domain_event = DomainEvent::WaitlistJoined {
            entry: waiting.entry,
            event: inventory.event,
            organizer: inventory.organizer,
            user: waiting.user,
            quantity: waiting.quantity,
        };
        self.tell(Some(waiting.user), domain_event);
        waiting.entry
    }

    /// Sets an entry aside: it is not in turn until its quota is sold out. It keeps its position.
    pub fn set_aside(&mut self, entry: EntryId) {
        self.aside.push(entry);
    }

    /// Cancels bookings. The caller has already returned their tickets to the inventory.
    pub fn cancel(&mut self, inventory: &Inventory, cancellations: &[Cancellation], actor: Option<UserId>) {
        for Cancellation { booking, user, quantity, reason } in cancellations {
            self.cancelled.push(Cancelled { id: *booking, cancel_reason: *reason });
            let domain_event = DomainEvent::BookingCancelled {
                booking: *booking,
                event: inventory.event,
                organizer: inventory.organizer,
                user: *user,
                quantity: *quantity,
                reason: *reason,
            };
            self.tell(actor, domain_event);
        }
    }

    /// Ends entries without tickets and removes them from the inventory.
    pub fn leave(&mut self, inventory: &mut Inventory, leavings: &[Leaving], actor: Option<UserId>) {
        for Leaving { entry, user, quota, quantity, reason } in leavings {
            for quota in inventory.quotas.iter_mut().filter(|one| one.id == *quota) {
                quota.waiting -= quantity;
                quota.waitlist.retain(|waiting| waiting.entry != *entry);
                quota.waitlist_continues &= quota.waiting > 0;
            }
            let status = match reason {
                LeaveReason::Left => WaitlistStatus::Left,
                LeaveReason::EventCancelled | LeaveReason::EventOver | LeaveReason::AccountClosed => {
                    WaitlistStatus::Closed
                }
            };
            self.ended.push(Ended { id: *entry, status });
            let domain_event = DomainEvent::WaitlistLeft {
                entry: *entry,
                event: inventory.event,
                organizer: inventory.organizer,
                user: *user,
                quantity: *quantity,
                reason: *reason,
            };
            self.tell(actor, domain_event);
        }
    }

    /// Adds the difference between an event's counters before and after. If any of them moved, the revision rises by
    /// one. If more of a waitlist can be promoted than was read, a job continues.
    pub fn count(&mut self, before: &Inventory, after: &Inventory, waitlist_moved: bool) {
        let counted: Vec<(&Quota, QuotaDelta)> = before
            .quotas
            .iter()
            .zip(&after.quotas)
            .map(|(old, new)| {
                let delta = QuotaDelta {
                    id: new.id,
                    sold: new.sold - old.sold,
                    held: new.held - old.held,
                    capacity: new.capacity - old.capacity,
                    waiting: new.waiting - old.waiting,
                    open: new.open(),
                    revision: before.revision + 1,
                };
                (new, delta)
            })
            .filter(|(quota, delta)| {
                (delta.sold, delta.held, delta.capacity, delta.waiting) != (0, 0, 0, 0)
                    || delta.open != quota.open_as_read
            })
            .collect();
        let moved = !counted.is_empty() || waitlist_moved || before.waitlist_tail != after.waitlist_tail;
        if !moved {
            return;
        }
        // No returned tickets are left, so entries that were set aside are in turn again.
        let sold_out = counted.iter().filter(|(quota, delta)| {
            quota.free() == 0 && quota.waiting > 0 && (delta.sold, delta.held, delta.capacity) != (0, 0, 0)
        });
        self.sold_out.extend(sold_out.map(|(quota, _)| SoldOut { quota_id: quota.id, terms: after.terms }));
        self.quotas.extend(counted.into_iter().map(|(_, delta)| delta));
        let revision = before.revision + 1;
        self.stocks.push(StockRow { event_id: after.event, revision, waitlist_tail: after.waitlist_tail });
        self.tell(None, DomainEvent::AvailabilityChanged { event: after.event, revision });
        // If the front entry fitted before, the transaction that left it unpromoted has already requested the job.
        let unserved = after.is_on_sale() && after.quotas.iter().any(Quota::is_unfinished);
        if unserved && !(self.besides && before.quotas.iter().any(Quota::head_fits)) {
            self.jobs.push(serve_waitlist::job(after.event, revision, self.now));
        }
    }

    /// Writes all changes in lock order, domain events last.
    pub async fn write(mut self, tx: &Tx) -> Result<(), DbError> {
        self.choose_free_references(tx).await?;
        // Differences, not totals: even if the lock were missing, the CHECK would still refuse to oversell.
        let sql = "UPDATE quota SET sold = quota.sold + r.sold, held = quota.held + r.held,
                   capacity = quota.capacity + r.capacity, waiting = quota.waiting + r.waiting, open = r.open,
                   revision = r.revision
                   FROM {records} WHERE quota.id = r.id";
        db::update_by(tx, sql, &self.quotas, []).await?;
        let sql = "UPDATE stock SET revision = r.revision, waitlist_tail = r.waitlist_tail FROM {records}
                   WHERE stock.event_id = r.event_id";
        db::update_by(tx, sql, &self.stocks, []).await?;

        db::insert(tx, "booking", &self.bookings, "").await?;
        db::insert(tx, "booking_item", &self.items, "").await?;
        let sql = "UPDATE booking SET status = 'CANCELLED', cancel_reason = r.cancel_reason, updated_at = $2
                   FROM {records} WHERE booking.id = r.id
                   AND booking.status IN ('PENDING_APPROVAL', 'PENDING_PAYMENT', 'CONFIRMED')";
        let changed = db::update_by(tx, sql, &self.cancelled, [self.now.into()]).await?;
        expect(changed, self.cancelled.len(), "bookings cancelled")?;

        let sql =
            "UPDATE waitlist_entry SET quantity = quantity - r.granted, granted = waitlist_entry.granted + r.granted,
                   status = CASE WHEN quantity = r.granted THEN 'FULFILLED' ELSE status END, updated_at = $2
                   FROM {records} WHERE waitlist_entry.id = r.id AND status = 'WAITING'";
        let changed = db::update_by(tx, sql, &self.served, [self.now.into()]).await?;
        expect(changed, self.served.len(), "entries promoted")?;
        agree(tx, &self.aside, ASIDE, self.now).await?;
        restore(tx, &self.sold_out).await?;
        let sql = "UPDATE waitlist_entry SET status = r.status, updated_at = $2
                   FROM {records} WHERE waitlist_entry.id = r.id AND waitlist_entry.status = 'WAITING'";
        let changed = db::update_by(tx, sql, &self.ended, [self.now.into()]).await?;
        expect(changed, self.ended.len(), "entries ended")?;
        db::insert(tx, "waitlist_entry", &self.entries, "").await?;

        idempotency::keep(tx, &self.answers).await?;
        queue::enqueue(tx, &self.jobs).await?;
        outbox::append(tx, &self.domain_events).await
    }

    /// Draws new references for those that are taken, by an older booking or by another one of this change set.
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
                    row.reference = self.ctx.random.reference();
                    redrawn = true;
                }
            }
            if !redrawn {
                return Ok(());
            }
        }
    }
}

/// Sets the terms that the customers of these entries agree to; before the waitlist is read.
pub async fn agree(tx: &Tx, entries: &[EntryId], terms: i64, now: Timestamp) -> Result<(), DbError> {
    let agreed: Vec<Agreed> = entries.iter().map(|id| Agreed { id: *id, terms }).collect();
    let sql = "UPDATE waitlist_entry SET terms = r.terms, updated_at = $2
               FROM {records} WHERE waitlist_entry.id = r.id AND status = 'WAITING'";
    expect(db::update_by(tx, sql, &agreed, [now.into()]).await?, agreed.len(), "entries agreed")
}

/// Puts entries of a quota that were set aside back in turn.
pub async fn back_in_turn(tx: &Tx, quota_id: QuotaId, terms: i64) -> Result<(), DbError> {
    restore(tx, &[SoldOut { quota_id, terms }]).await
}

async fn restore(tx: &Tx, quotas: &[SoldOut]) -> Result<(), DbError> {
    let sql = format!(
        "UPDATE waitlist_entry SET terms = r.terms FROM {{records}}
         WHERE waitlist_entry.quota_id = r.quota_id AND waitlist_entry.terms = {ASIDE} AND status = 'WAITING'"
    );
    db::update_by(tx, &sql, quotas, []).await?;
    Ok(())
}

/// A compare-and-swap that misses under the lock means that the decision was based on other rows than it wrote.
fn expect(changed: u64, wanted: usize, what: &str) -> Result<(), DbError> {
    if changed == wanted as u64 {
        return Ok(());
    }
    Err(DbError::Failed(sea_orm::DbErr::Custom(format!("{what}: {changed} of {wanted}"))))
}
