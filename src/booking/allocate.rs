//! Who gets which places: one pure function over an event's floor and the wishes that arrived together.
//! Not here: any database, clock or id. What it decides, `settle` writes.
//!
//! The rules, in order:
//! 1. While the event is on sale, the line is served first. Its head gets what it wants when that is free; a head that
//!    accepts part takes what is there and stays; a head that does not fit blocks. In line are the entries in turn: their
//!    customers may book, agreed to the event's present terms and are not set aside (`floor::IN_TURN`).
//! 2. While anyone in turn waits for a quota, its free places belong to the line: newcomers find none.
//! 3. Newcomers are served in the order they arrived, each by its own [`Fulfilment`].
//! 4. Who waits already and asks for more keeps the place they have; what is added stands at the end as an entry of its
//!    own. A repetition of the order behind an open entry is refused.
//!
//! [`Pool::open`] is the one place that says what newcomers can book. `settle` writes it to `quota.open`, from which
//! availability and lists of events are read.

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
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// Revision of its availability.
    pub revision: i64,
    /// Last number given in the line.
    pub line_tail: i64,
    /// Number of its present terms (day, venue, price), which entries in turn agreed to.
    pub terms: i64,
    /// Its kinds of places, in page order.
    pub kinds: Vec<Kind>,
    /// Its quotas.
    pub pools: Vec<Pool>,
    /// Open entries of the users who have wishes, by user and kind.
    pub waits: HashMap<(UserId, TicketTypeId), Vec<Waiting>>,
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
    /// Places all open entries want, whether in turn or not.
    pub waiting: i64,
    /// What `quota.open` said when this was read.
    pub open_as_read: i64,
    /// The head of the line: as many entries in turn as were read.
    pub line: Vec<Waiting>,
    /// Whether the line goes on behind `line`, as far as is known: where nothing is free it is not looked at.
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
    /// Places the order behind it asked for, booked ones included.
    pub asked: i64,
    /// Whether fewer will do for now.
    pub accepts_part: bool,
    /// Order.
    pub line_no: i64,
    /// Terms its customer agreed to.
    pub terms: i64,
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
    },
    /// Nothing, and nothing changed.
    Refused {
        /// Free for newcomers among the kinds asked for.
        available: i64,
        /// Asked for.
        requested: i64,
    },
    /// Nothing, and nothing changed: the user's own entry waits for the same already.
    Repeated {
        /// Places that entry still wants.
        waiting: i64,
    },
}

/// A new place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Which quota's line.
    pub quota: QuotaId,
    /// The entry.
    pub waiting: Waiting,
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

    /// Places a newcomer can have while the event is on sale: none while anyone in turn waits.
    pub fn open(&self) -> i64 {
        if self.line.is_empty() && !self.line_goes_on { self.free() } else { 0 }
    }

    /// Whether the head of the line, as read, can be given places now.
    pub fn head_fits(&self) -> bool {
        self.line.first().is_some_and(|head| self.fits(head) > 0)
    }

    /// Whether more of the line can be served than was read of it.
    pub fn is_unfinished(&self) -> bool {
        self.line.is_empty() && self.line_goes_on && self.free() > 0
    }

    /// How much an entry would be given now.
    fn fits(&self, entry: &Waiting) -> i64 {
        match entry.quantity <= self.free() {
            true => entry.quantity,
            false if entry.accepts_part => self.free(),
            false => 0,
        }
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

    /// The places a kind shares.
    pub fn pool_of(&mut self, kind: TicketTypeId) -> Option<&mut Pool> {
        let quota = self.kind(kind)?.quota;
        self.pools.iter_mut().find(|pool| pool.id == quota)
    }

    fn open(&mut self, kind: TicketTypeId) -> i64 {
        self.pool_of(kind).map_or(0, |pool| pool.open())
    }

    /// An open entry of the user that came from the same order for this kind.
    fn repeated(&self, user: UserId, kind: TicketTypeId, asked: i64) -> Option<&Waiting> {
        self.waits.get(&(user, kind))?.iter().find(|waiting| waiting.asked == asked)
    }
}

/// Decides. See the rules above; kinds that are not of this event count as having no places.
pub fn allocate(mut floor: Floor, wishes: &[Wish]) -> Allocation {
    let mut promotions = Vec::new();
    let pools = if floor.is_on_sale() { floor.pools.len() } else { 0 };
    for at in 0..pools {
        serve_line(&mut floor, at, &mut promotions);
    }
    let outcomes = wishes.iter().map(|wish| serve_newcomer(&mut floor, wish)).collect();
    Allocation { floor, promotions, outcomes }
}

fn serve_line(floor: &mut Floor, at: usize, promotions: &mut Vec<Promotion>) {
    let Floor { pools, waits, .. } = floor;
    let pool = &mut pools[at]; // `at` runs over the pools
    let mut fulfilled = 0;
    while let Some(head) = pool.line.get(fulfilled).copied() {
        let granted = pool.fits(&head);
        if granted <= 0 {
            break;
        }
        promotions.push(Promotion { waiting: head, granted });
        pool.sold += granted;
        pool.waiting -= granted;
        let mut own = waits.get_mut(&(head.user, head.kind));
        if granted < head.quantity {
            pool.line[fulfilled].quantity -= granted; // found above
            if let Some(entry) = own.iter_mut().flat_map(|own| own.iter_mut()).find(|own| own.entry == head.entry) {
                entry.quantity -= granted;
            }
            break;
        }
        if let Some(own) = &mut own {
            own.retain(|own| own.entry != head.entry);
        }
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
        let got = floor.open(kind).clamp(0, quantity);
        if let Some(pool) = floor.pool_of(kind) {
            pool.sold += got;
        }
        if got > 0 {
            booked.push((kind, got));
        }
        if got < quantity {
            missing.push((at, kind, quantity, quantity - got));
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
        let repeated = missing.iter().find_map(|(_, kind, asked, _)| floor.repeated(wish.user, *kind, *asked));
        if let Some(&Waiting { quantity: waiting, .. }) = repeated {
            floor.pools = before;
            return Outcome::Repeated { waiting };
        }
        for (at, kind, asked, quantity) in missing {
            let Some(&entry) = wish.entries.get(at) else { continue };
            queued.extend(queue(floor, Joining { entry, user: wish.user, kind, quantity, asked, accepts_part: true }));
        }
    }
    Outcome::Granted { booked, queued }
}

/// A place in the line that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// A fresh id.
    pub entry: EntryId,
    /// Whose.
    pub user: UserId,
    /// For which kind.
    pub kind: TicketTypeId,
    /// Places wanted.
    pub quantity: i64,
    /// Places the order asked for, booked ones included.
    pub asked: i64,
    /// Whether fewer will do for now.
    pub accepts_part: bool,
}

/// Puts an entry at the end of the line, where it gets its number. None: the kind is not of this event.
pub fn queue(floor: &mut Floor, joining: Joining) -> Option<Queued> {
    let Joining { entry, user, kind, quantity, asked, accepts_part } = joining;
    let quota = floor.kind(kind)?.quota;
    let (terms, line_no) = (floor.terms, floor.line_tail + 1);
    let pool = floor.pools.iter_mut().find(|pool| pool.id == quota)?;
    floor.line_tail = line_no;
    let waiting = Waiting { entry, user, kind, quantity, asked, accepts_part, line_no, terms };
    pool.waiting += quantity;
    // Behind those who were not read nobody is served in this transaction: they take what is free. And who can never be
    // given all they want at once is waited for by nobody.
    if !pool.line_goes_on && (accepts_part || quantity <= pool.capacity) {
        pool.line.push(waiting);
    }
    floor.waits.entry((user, kind)).or_default().push(waiting);
    Some(Queued { quota, waiting })
}
