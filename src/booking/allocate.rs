//! Who gets which places: one pure function over an event's floor and the wishes that arrived together.
//! Not here: any database, clock or id. What it decides, `settle` writes.
//!
//! The rules, in order:
//! 1. While the event is on sale, the line is served first. Its head gets what it wants when that is free; a head that accepts part takes what is
//!    there and stays; a head that does not fit blocks.
//! 2. While anyone still waits for a quota, its free places belong to the line: newcomers find none.
//! 3. Newcomers are served in the order they arrived, each by its own [`Fulfilment`].
//! 4. Who waits already and asks for more goes to the end of the line, and the line is served again: whom they blocked
//!    must not wait for the next transaction.

use std::collections::HashMap;

use crate::id::{EntryId, EventId, OrganizerId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::{EventStatus, Fulfilment};

/// One event's occupancy as read under its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The event.
    pub event: EventId,
    /// Whose.
    pub organizer: OrganizerId,
    /// Its status.
    pub status: EventStatus,
    /// Whether it has begun.
    pub begun: bool,
    /// Revision of its availability.
    pub revision: i64,
    /// Last number given in the line.
    pub line_tail: i64,
    /// Its kinds of places, in page order.
    pub kinds: Vec<Kind>,
    /// Its quotas.
    pub pools: Vec<Pool>,
    /// Open entries of the users who have wishes.
    pub open: HashMap<(UserId, TicketTypeId), Waiting>,
}

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The ticket type.
    pub id: TicketTypeId,
    /// Its date.
    pub slot: SlotId,
    /// The places it shares.
    pub quota: QuotaId,
    /// Its price now.
    pub price_minor: i64,
}

/// Places that kinds share, and who waits for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The quota.
    pub id: QuotaId,
    /// How many places there are.
    pub capacity: i64,
    /// Sold.
    pub sold: i64,
    /// Held with a deadline.
    pub held: i64,
    /// The head of the line: as much of it as the free places could serve, one more, and as many more as might go to
    /// the end.
    pub line: Vec<Waiting>,
    /// Whether the line goes on behind `line`.
    pub line_goes_on: bool,
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The entry.
    pub entry: EntryId,
    /// Whose.
    pub user: UserId,
    /// For which kind.
    pub kind: TicketTypeId,
    /// Places still wanted.
    pub quantity: i64,
    /// Whether fewer will do for now.
    pub accepts_part: bool,
    /// Order.
    pub line_no: i64,
}

/// What one request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Who.
    pub user: UserId,
    /// What and how many; kinds of this event, each once, quantities above zero.
    pub items: Vec<(TicketTypeId, i64)>,
    /// What to do when fewer are free.
    pub fulfilment: Fulfilment,
    /// Fresh ids for places in the line, one per item; used by those that have to wait.
    pub entries: Vec<EntryId>,
}

/// What a wish got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something: places, a place in the line, or both.
    Granted {
        /// Booked now, by kind; empty: nothing was free.
        booked: Vec<(TicketTypeId, i64)>,
        /// Waiting for the rest, by kind.
        queued: Vec<Queued>,
        /// What the line got because an entry of this user went to the end of it.
        then: Vec<Promotion>,
    },
    /// Nothing, and nothing changed.
    Refused {
        /// Free for newcomers among the kinds asked for.
        available: i64,
        /// Asked for.
        requested: i64,
    },
}

/// A new or grown place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// For which kind.
    pub kind: TicketTypeId,
    /// Which quota's line.
    pub quota: QuotaId,
    /// The entry.
    pub entry: EntryId,
    /// Whether it waited before, and grew.
    pub grew: bool,
    /// Places it wants in addition.
    pub more: i64,
    /// Places it wants now.
    pub quantity: i64,
    /// Whether fewer will do for now.
    pub accepts_part: bool,
    /// Its new number in the line.
    pub line_no: i64,
}

/// Places the line gave to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The entry as it stood before.
    pub waiting: Waiting,
    /// Places it got.
    pub granted: i64,
}

/// Everything that was decided, and the floor as it stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The floor afterwards.
    pub floor: Floor,
    /// What the line got before anybody else, in order.
    pub promotions: Vec<Promotion>,
    /// What each wish got, in the order of the wishes.
    pub outcomes: Vec<Outcome>,
}

impl Pool {
    /// Places nobody has.
    pub fn free(&self) -> i64 {
        self.capacity - self.sold - self.held
    }

    /// Places a newcomer can have: none while anyone waits.
    pub fn free_for_newcomers(&self) -> i64 {
        if self.line.is_empty() && !self.line_goes_on { self.free() } else { 0 }
    }
}

impl Floor {
    /// Whether anybody, in line or not, can be given places now.
    pub fn is_on_sale(&self) -> bool {
        self.status == EventStatus::Published && !self.begun
    }

    /// The kind with this id.
    pub fn kind(&self, id: TicketTypeId) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    fn pool_of(&mut self, kind: TicketTypeId) -> Option<&mut Pool> {
        let quota = self.kind(kind)?.quota;
        self.pools.iter_mut().find(|pool| pool.id == quota)
    }

    fn free_for_newcomers(&mut self, kind: TicketTypeId) -> i64 {
        self.pool_of(kind).map_or(0, |pool| pool.free_for_newcomers())
    }
}

/// Decides. See the rules above; kinds that are not of this event count as having no places.
pub fn allocate(mut floor: Floor, wishes: &[Wish]) -> Allocation {
    let promotions = serve_lines(&mut floor);
    let outcomes = wishes.iter().map(|wish| serve_newcomer(&mut floor, wish)).collect();
    Allocation { floor, promotions, outcomes }
}

fn serve_lines(floor: &mut Floor) -> Vec<Promotion> {
    let mut promotions = Vec::new();
    let pools = if floor.is_on_sale() { floor.pools.len() } else { 0 };
    for at in 0..pools {
        serve_line(floor, at, &mut promotions);
    }
    promotions
}

fn serve_line(floor: &mut Floor, at: usize, promotions: &mut Vec<Promotion>) {
    let pool = &mut floor.pools[at]; // `at` runs over the pools
    let mut fulfilled = 0;
    while let Some(head) = pool.line.get_mut(fulfilled) {
        let free = pool.capacity - pool.sold - pool.held;
        let granted = match head.quantity <= free {
            true => head.quantity,
            false if head.accepts_part => free,
            false => 0,
        };
        if granted <= 0 {
            break;
        }
        promotions.push(Promotion { waiting: *head, granted });
        pool.sold += granted;
        head.quantity -= granted;
        let key = (head.user, head.kind);
        if head.quantity > 0 {
            if let Some(open) = floor.open.get_mut(&key) {
                open.quantity = head.quantity;
            }
            break;
        }
        floor.open.remove(&key);
        fulfilled += 1;
    }
    pool.line.drain(..fulfilled);
}

fn serve_newcomer(floor: &mut Floor, wish: &Wish) -> Outcome {
    let requested: i64 = wish.items.iter().map(|(_, quantity)| quantity).sum();
    let before: Vec<Pool> = floor.pools.clone();
    let mut booked = Vec::new();
    let mut missing = Vec::new();
    for (at, &(kind, quantity)) in wish.items.iter().enumerate() {
        let got = floor.free_for_newcomers(kind).clamp(0, quantity);
        if let Some(pool) = floor.pool_of(kind) {
            pool.sold += got;
        }
        if got > 0 {
            booked.push((kind, got));
        }
        if got < quantity {
            missing.push((at, kind, quantity - got));
        }
    }
    let available: i64 = booked.iter().map(|(_, quantity)| quantity).sum();
    let enough = match wish.fulfilment {
        Fulfilment::AllOrNothing => missing.is_empty(),
        Fulfilment::Partial => available > 0,
        Fulfilment::PartialAndWaitlist => true,
    };
    if !enough {
        floor.pools = before;
        return Outcome::Refused { available, requested };
    }
    let mut queued = Vec::new();
    if wish.fulfilment == Fulfilment::PartialAndWaitlist {
        for (at, kind, quantity) in missing {
            let Some(&entry) = wish.entries.get(at) else { continue };
            let joining = Waiting { entry, user: wish.user, kind, quantity, accepts_part: true, line_no: 0 };
            queued.extend(queue(floor, joining));
        }
    }
    let then = if queued.iter().any(|queued| queued.grew) { serve_lines(floor) } else { Vec::new() };
    Outcome::Granted { booked, queued, then }
}

/// Puts somebody at the end of the line, where they get their number; an entry they have grows by what is wanted now
/// and goes to the end with all it wants.
pub fn queue(floor: &mut Floor, joining: Waiting) -> Option<Queued> {
    let key = (joining.user, joining.kind);
    let quota = floor.kind(joining.kind)?.quota;
    let pool = floor.pools.iter_mut().find(|pool| pool.id == quota)?;
    floor.line_tail += 1;
    let open = floor.open.get(&key).copied();
    let entry = Waiting {
        entry: open.map_or(joining.entry, |open| open.entry),
        quantity: joining.quantity + open.map_or(0, |open| open.quantity),
        accepts_part: joining.accepts_part || open.is_some_and(|open| open.accepts_part),
        line_no: floor.line_tail,
        ..joining
    };
    pool.line.retain(|waiting| waiting.entry != entry.entry);
    // Behind those who were not read nobody is served in this transaction: they take what is free.
    if !pool.line_goes_on {
        pool.line.push(entry);
    }
    floor.open.insert(key, entry);
    Some(Queued {
        kind: entry.kind,
        quota,
        entry: entry.entry,
        grew: open.is_some(),
        more: joining.quantity,
        quantity: entry.quantity,
        accepts_part: entry.accepts_part,
        line_no: entry.line_no,
    })
}
