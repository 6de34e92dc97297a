//! Who gets which tickets: one pure function over an event's inventory and the allocation requests that arrived together.
//! Not here: any database, clock or id. What it decides, `change_set` writes.
//!
//! The rules, in order:
//! 1. While the event is on sale, the waitlist is served first. Its head gets what it wants when that is free; a head that
//!    accepts part takes what is there and stays; a head that does not fit blocks. In line are the entries in turn: their
//!    customers may book, agreed to the event's present terms and are not set aside (`inventory::IN_TURN`).
//! 2. While anyone in turn waits for a quota, its free tickets belong to the waitlist: newcomers find none.
//! 3. Newcomers are served in the order they arrived, each by its own [`Fulfilment`].
//! 4. Who waits already and asks for more keeps the ticket they have; what is added stands at the end as an entry of its
//!    own. A repetition of the order behind an open entry is refused.
//!
//! [`Quota::open`] is the one ticket that says what newcomers can book. `change_set` writes it to `quota.open`, from which
//! availability and lists of events are read.

use std::collections::HashMap;

use crate::id::{EntryId, EventId, OrganizerId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::{EventStatus, Fulfilment};

/// One event's occupancy as read under its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
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
    /// Last number given in the waitlist.
    pub waitlist_tail: i64,
    /// Number of its present terms (day, venue, price), which entries in turn agreed to.
    pub terms: i64,
    /// Its ticket types of tickets, in page order.
    pub ticket_types: Vec<TicketType>,
    /// Its quotas.
    pub quotas: Vec<Quota>,
    /// Open entries of the users who have allocation requests, by user and ticket type.
    pub waits: HashMap<(UserId, TicketTypeId), Vec<Waiting>>,
}

/// A ticket type of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketType {
    /// The ticket type.
    pub id: TicketTypeId,
    /// Its date.
    pub slot: SlotId,
    /// The tickets it shares.
    pub quota: QuotaId,
    /// Its price now.
    pub price_minor: i64,
}

/// Tickets that ticket types share, and who waits for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// The quota.
    pub id: QuotaId,
    /// How many tickets there are.
    pub capacity: i64,
    /// Sold.
    pub sold: i64,
    /// Held with a deadline.
    pub held: i64,
    /// Tickets all open entries want, whether in turn or not.
    pub waiting: i64,
    /// What `quota.open` said when this was read.
    pub open_as_read: i64,
    /// The front of the waitlist: as many entries in turn as were read.
    pub waitlist: Vec<Waiting>,
    /// Whether the waitlist goes on behind `line`, as far as is known: where nothing is free it is not looked at.
    pub waitlist_continues: bool,
}

/// A waitlist entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The entry.
    pub entry: EntryId,
    /// Whose.
    pub user: UserId,
    /// For which ticket type.
    pub ticket_type: TicketTypeId,
    /// Tickets still wanted.
    pub quantity: i64,
    /// Tickets the order behind it asked for, booked ones included.
    pub asked: i64,
    /// Whether fewer will do for now.
    pub accepts_part: bool,
    /// Order.
    pub position_key: i64,
    /// Terms its customer agreed to.
    pub terms: i64,
}

/// What one request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRequest {
    /// Who.
    pub user: UserId,
    /// What and how many; ticket types of this event, each once, quantities above zero.
    pub items: Vec<(TicketTypeId, i64)>,
    /// What to do when fewer are free.
    pub fulfilment: Fulfilment,
    /// Fresh ids for tickets in the waitlist, one per item; used by those that have to wait.
    pub entries: Vec<EntryId>,
}

/// What a allocation request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something: tickets, a waitlist entry, or both.
    Granted {
        /// Booked now, by ticket type; empty: nothing was free.
        booked: Vec<(TicketTypeId, i64)>,
        /// Waiting for the rest, by ticket type.
        queued: Vec<Queued>,
    },
    /// Nothing, and nothing changed.
    Refused {
        /// Free for newcomers among the ticket types asked for.
        available: i64,
        /// Asked for.
        requested: i64,
    },
    /// Nothing, and nothing changed: the user's own entry waits for the same already.
    Repeated {
        /// Tickets that entry still wants.
        waiting: i64,
    },
}

/// A new place in the waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Which quota's line.
    pub quota: QuotaId,
    /// The entry.
    pub waiting: Waiting,
}

/// Tickets the waitlist gave to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The entry as it stood before.
    pub waiting: Waiting,
    /// Tickets it got.
    pub granted: i64,
}

/// Everything that was decided, and the inventory as it stands then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The inventory afterwards.
    pub inventory: Inventory,
    /// What the waitlist got before anybody else, in order.
    pub promotions: Vec<Promotion>,
    /// What each allocation request got, in the order of the allocation requests.
    pub outcomes: Vec<Outcome>,
}

impl Quota {
    /// Tickets nobody has.
    pub fn free(&self) -> i64 {
        self.capacity - self.sold - self.held
    }

    /// Tickets a newcomer can have while the event is on sale: none while anyone in turn waits.
    pub fn open(&self) -> i64 {
        if self.waitlist.is_empty() && !self.waitlist_continues { self.free() } else { 0 }
    }

    /// Whether the front of the waitlist, as read, can be given tickets now.
    pub fn head_fits(&self) -> bool {
        self.waitlist.first().is_some_and(|head| self.fits(head) > 0)
    }

    /// Whether more of the waitlist can be served than was read of it.
    pub fn is_unfinished(&self) -> bool {
        self.waitlist.is_empty() && self.waitlist_continues && self.free() > 0
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

impl Inventory {
    /// Whether anybody, on the waitlist or not, can be given tickets now.
    pub fn is_on_sale(&self) -> bool {
        self.status == EventStatus::Published && !self.begun
    }

    /// The ticket type with this id.
    pub fn ticket_type(&self, id: TicketTypeId) -> Option<&TicketType> {
        self.ticket_types.iter().find(|ticket_type| ticket_type.id == id)
    }

    /// The tickets a ticket type shares.
    pub fn quota_of(&mut self, ticket_type: TicketTypeId) -> Option<&mut Quota> {
        let quota = self.ticket_type(ticket_type)?.quota;
        self.quotas.iter_mut().find(|one| one.id == quota)
    }

    fn open(&mut self, ticket_type: TicketTypeId) -> i64 {
        self.quota_of(ticket_type).map_or(0, |one| one.open())
    }

    /// An open entry of the user that came from the same order for this ticket type.
    fn repeated(&self, user: UserId, ticket_type: TicketTypeId, asked: i64) -> Option<&Waiting> {
        self.waits.get(&(user, ticket_type))?.iter().find(|waiting| waiting.asked == asked)
    }
}

/// Decides. See the rules above; ticket types that are not of this event count as having no tickets.
pub fn allocate(mut inventory: Inventory, allocation_requests: &[AllocationRequest]) -> Allocation {
    let mut promotions = Vec::new();
    let quotas = if inventory.is_on_sale() { inventory.quotas.len() } else { 0 };
    for at in 0..quotas {
        serve_waitlist(&mut inventory, at, &mut promotions);
    }
    let outcomes = allocation_requests
        .iter()
        .map(|allocation_request| serve_newcomer(&mut inventory, allocation_request))
        .collect();
    Allocation { inventory, promotions, outcomes }
}

fn serve_waitlist(inventory: &mut Inventory, at: usize, promotions: &mut Vec<Promotion>) {
    let Inventory { quotas, waits, .. } = inventory;
    let quota = &mut quotas[at]; // `at` runs over the quotas
    let mut fulfilled = 0;
    while let Some(head) = quota.waitlist.get(fulfilled).copied() {
        let granted = quota.fits(&head);
        if granted <= 0 {
            break;
        }
        promotions.push(Promotion { waiting: head, granted });
        quota.sold += granted;
        quota.waiting -= granted;
        let mut own = waits.get_mut(&(head.user, head.ticket_type));
        if granted < head.quantity {
            quota.waitlist[fulfilled].quantity -= granted; // found above
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
    quota.waitlist.drain(..fulfilled);
}

fn serve_newcomer(inventory: &mut Inventory, allocation_request: &AllocationRequest) -> Outcome {
    let requested: i64 = allocation_request.items.iter().map(|(_, quantity)| quantity).sum();
    let before: Vec<Quota> = inventory.quotas.clone();
    let mut booked = Vec::new();
    let mut missing = Vec::new();
    for (at, &(ticket_type, quantity)) in allocation_request.items.iter().enumerate() {
        let got = inventory.open(ticket_type).clamp(0, quantity);
        if let Some(quota) = inventory.quota_of(ticket_type) {
            quota.sold += got;
        }
        if got > 0 {
            booked.push((ticket_type, got));
        }
        if got < quantity {
            missing.push((at, ticket_type, quantity, quantity - got));
        }
    }
    let available: i64 = booked.iter().map(|(_, quantity)| quantity).sum();
    let enough = match allocation_request.fulfilment {
        Fulfilment::AllOrNothing => missing.is_empty(),
        Fulfilment::Partial => available > 0,
        Fulfilment::PartialAndWaitlist => true,
    };
    if !enough {
        inventory.quotas = before;
        return Outcome::Refused { available, requested };
    }
    let mut queued = Vec::new();
    if allocation_request.fulfilment == Fulfilment::PartialAndWaitlist {
        let repeated = missing
            .iter()
            .find_map(|(_, ticket_type, asked, _)| inventory.repeated(allocation_request.user, *ticket_type, *asked));
        if let Some(&Waiting { quantity: waiting, .. }) = repeated {
            inventory.quotas = before;
            return Outcome::Repeated { waiting };
        }
        for (at, ticket_type, asked, quantity) in missing {
            let Some(&entry) = allocation_request.entries.get(at) else { continue };
            queued.extend(queue(
                inventory,
                Joining { entry, user: allocation_request.user, ticket_type, quantity, asked, accepts_part: true },
            ));
        }
    }
    Outcome::Granted { booked, queued }
}

/// A waitlist entry that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// A fresh id.
    pub entry: EntryId,
    /// Whose.
    pub user: UserId,
    /// For which ticket type.
    pub ticket_type: TicketTypeId,
    /// Tickets wanted.
    pub quantity: i64,
    /// Tickets the order asked for, booked ones included.
    pub asked: i64,
    /// Whether fewer will do for now.
    pub accepts_part: bool,
}

/// Puts an entry at the end of the waitlist, where it gets its number. None: the ticket type is not of this event.
pub fn queue(inventory: &mut Inventory, joining: Joining) -> Option<Queued> {
    let Joining { entry, user, ticket_type, quantity, asked, accepts_part } = joining;
    let quota = inventory.ticket_type(ticket_type)?.quota;
    let (terms, position_key) = (inventory.terms, inventory.waitlist_tail + 1);
    let quota = inventory.quotas.iter_mut().find(|one| one.id == quota)?;
    inventory.waitlist_tail = position_key;
    let waiting = Waiting { entry, user, ticket_type, quantity, asked, accepts_part, position_key, terms };
    quota.waiting += quantity;
    // Behind those who were not read nobody is served in this transaction: they take what is free. And who can never be
    // given all they want at once is waited for by nobody.
    if !quota.waitlist_continues && (accepts_part || quantity <= quota.capacity) {
        quota.waitlist.push(waiting);
    }
    inventory.waits.entry((user, ticket_type)).or_default().push(waiting);
    Some(Queued { quota: quota.id, waiting })
}
