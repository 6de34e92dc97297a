//! Allocation of tickets: one pure function over an event's inventory and the allocation requests that arrived
//! together.
//! Not here: any database, clock or id; `change_set` writes the decisions.
//!
//! The rules, in order:
//! 1. While the event is on sale, the waitlist comes first. Its front entry gets all its tickets if enough are free. An
//!    entry that accepts part takes what is free and stays at the front; one that does not accept part blocks. Only
//!    entries in turn count: their customers may book, agreed to the event's present terms and are not set aside
//!    (`inventory::IN_TURN`).
//! 2. While an entry in turn waits for a quota, its free tickets belong to the waitlist, and newcomers find none.
//! 3. Newcomers are given tickets in order of arrival, each by its own [`Fulfilment`].
//! 4. A customer who already waits and asks for more keeps the existing entry; the addition is an entry of its own at
//!    the end. A repetition of the order behind an open entry is refused.
//!
//! [`Quota::open`] is the only source for the number of tickets newcomers can book. `change_set` writes it to
//! `quota.open`, from which availability and lists of events are read.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::id::{EntryId, EventId, OrganizerId, QuotaId, SlotId, TicketTypeId, UserId};
use crate::status::{EventStatus, Fulfilment};

/// Ticket types, quotas, counters and fronts of the waitlists of one event, as read under its lock: of all, or of those
/// that a transaction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Event the inventory belongs to.
    pub event: EventId,
    /// Organizer of the event.
    pub organizer: OrganizerId,
    /// Status of the event.
    pub status: EventStatus,
    /// Moment of the reading, by which slots have begun or not.
    pub read_at: Timestamp,
    /// ISO 4217 code of the event's prices.
    pub currency: String,
    /// Revision of the event's availability.
    pub revision: i64,
    /// Last position key assigned in the waitlist.
    pub waitlist_tail: i64,
    /// Number of the event's present terms (day, venue, price), which entries in turn agreed to.
    pub terms: i64,
    /// The event's ticket type, if it has only one.
    pub only_type: Option<TicketTypeId>,
    /// Ticket types that were read, in page order; then those of entries of the waitlist.
    pub ticket_types: Vec<TicketType>,
    /// Quotas of the ticket types that were read.
    pub quotas: Vec<Quota>,
    /// Open entries of the users with allocation requests, by user and ticket type.
    pub waits: HashMap<(UserId, TicketTypeId), Vec<Waiting>>,
}

/// Ticket type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketType {
    /// Id of the ticket type.
    pub id: TicketTypeId,
    /// Slot the ticket type is for.
    pub slot: SlotId,
    /// Quota the ticket type shares.
    pub quota: QuotaId,
    /// Present price, in minor units.
    pub price_minor: i64,
    /// True once the slot has begun: from then on its tickets cannot be given.
    pub begun: bool,
}

/// Tickets that one or more ticket types share, and the waitlist for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Id of the quota.
    pub id: QuotaId,
    /// Number of tickets in all.
    pub capacity: i64,
    /// Tickets in confirmed bookings.
    pub sold: i64,
    /// Tickets held with a deadline.
    pub held: i64,
    /// Tickets all open entries wait for, in turn or not.
    pub waiting: i64,
    /// Value of `quota.open` when this was read.
    pub open_as_read: i64,
    /// Front of the waitlist: the entries in turn that were read.
    pub waitlist: Vec<Waiting>,
    /// True if the waitlist may continue behind the entries in `waitlist`. Without free tickets it is not read.
    pub waitlist_continues: bool,
}

/// Open entry of the waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Id of the entry.
    pub entry: EntryId,
    /// Customer of the entry.
    pub user: UserId,
    /// Ticket type the entry waits for.
    pub ticket_type: TicketTypeId,
    /// Quota of that ticket type.
    pub quota: QuotaId,
    /// Tickets still waited for.
    pub quantity: i64,
    /// Tickets of the order behind the entry, booked ones included.
    pub asked: i64,
    /// True if the customer takes fewer tickets for now.
    pub accepts_part: bool,
    /// Position in the waitlist; lower keys come first.
    pub position_key: i64,
    /// Number of the terms the customer agreed to.
    pub terms: i64,
}

/// One customer's request for tickets of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRequest {
    /// Customer who asks.
    pub user: UserId,
    /// Quantity per ticket type: types of this event, each once, quantities above zero.
    pub items: Vec<(TicketTypeId, i64)>,
    /// Rule for fewer free tickets than asked for.
    pub fulfilment: Fulfilment,
    /// Fresh ids for waitlist entries, one per item; used for items that have to wait.
    pub entries: Vec<EntryId>,
}

/// Decision on an allocation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The request got tickets, a waitlist entry, or both.
    Granted {
        /// Tickets booked now, by ticket type; empty if none was free.
        booked: Vec<(TicketTypeId, i64)>,
        /// New waitlist entries for the rest, by ticket type.
        queued: Vec<Queued>,
    },
    /// The request was refused, and nothing changed.
    Refused {
        /// Tickets free for newcomers among the ticket types asked for.
        available: i64,
        /// Tickets asked for.
        requested: i64,
    },
    /// The request was refused and nothing changed: an entry of the user already waits for the same.
    Repeated {
        /// Tickets that entry still waits for.
        waiting: i64,
    },
}

/// New entry of the waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Quota of the waitlist the entry joins.
    pub quota: QuotaId,
    /// The new entry.
    pub waiting: Waiting,
}

/// Tickets given to an entry of the waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The entry as it was before.
    pub waiting: Waiting,
    /// Tickets given to the entry.
    pub granted: i64,
}

/// All decisions of one call, and the inventory they lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Inventory after the decisions.
    pub inventory: Inventory,
    /// Promotions from the waitlist, in order; they precede all outcomes.
    pub promotions: Vec<Promotion>,
    /// Outcome of each allocation request, in their order.
    pub outcomes: Vec<Outcome>,
}

impl Quota {
    /// Returns the number of tickets neither sold nor held.
    pub fn free(&self) -> i64 {
        self.capacity - self.sold - self.held
    }

    /// Returns the tickets a newcomer can book while the event is on sale: none while an entry in turn waits.
    pub fn open(&self) -> i64 {
        if self.waitlist.is_empty() && !self.waitlist_continues { self.free() } else { 0 }
    }

    /// Returns true if the front of the waitlist, as read, can be given tickets now.
    pub fn head_fits(&self) -> bool {
        self.waitlist.first().is_some_and(|head| self.fits(head) > 0)
    }

    /// Returns true if tickets are free for entries of the waitlist that were not read.
    pub fn is_unfinished(&self) -> bool {
        self.waitlist.is_empty() && self.waitlist_continues && self.free() > 0
    }

    /// Returns the number of tickets an entry would be given now.
    fn fits(&self, entry: &Waiting) -> i64 {
        match entry.quantity <= self.free() {
            true => entry.quantity,
            false if entry.accepts_part => self.free(),
            false => 0,
        }
    }
}

impl Inventory {
    /// Returns true if tickets of this event can be given, to the waitlist or to newcomers, as far as its slots have
    /// not begun.
    pub fn is_on_sale(&self) -> bool {
        self.status == EventStatus::Published
    }

    /// Returns true if the slots of all ticket types that were read have begun.
    pub fn has_begun(&self) -> bool {
        self.ticket_types.iter().all(|ticket_type| ticket_type.begun)
    }

    /// Returns the ticket type with this id.
    pub fn ticket_type(&self, id: TicketTypeId) -> Option<&TicketType> {
        self.ticket_types.iter().find(|ticket_type| ticket_type.id == id)
    }

    /// Returns the quota a ticket type shares.
    pub fn quota_of(&mut self, ticket_type: TicketTypeId) -> Option<&mut Quota> {
        let quota = self.ticket_type(ticket_type)?.quota;
        self.quota_mut(quota)
    }

    /// Returns the quota with this id.
    pub fn quota_mut(&mut self, id: QuotaId) -> Option<&mut Quota> {
        self.quotas.iter_mut().find(|one| one.id == id)
    }

    /// Returns the ids of the quotas for which a condition holds.
    pub fn quotas_where(&self, is_wanted: impl Fn(&Quota) -> bool) -> Vec<QuotaId> {
        self.quotas.iter().filter(|quota| is_wanted(quota)).map(|quota| quota.id).collect()
    }

    fn open(&mut self, ticket_type: TicketTypeId) -> i64 {
        match self.ticket_type(ticket_type) {
            Some(found) if !found.begun => self.quota_of(ticket_type).map_or(0, |quota| quota.open()),
            _ => 0,
        }
    }

    /// Returns an open entry of the user that came from the same order for this ticket type.
    fn repeated(&self, user: UserId, ticket_type: TicketTypeId, asked: i64) -> Option<&Waiting> {
        self.waits.get(&(user, ticket_type))?.iter().find(|waiting| waiting.asked == asked)
    }
}

/// Decides all allocation requests by the rules above. Ticket types of other events count as having no tickets.
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

/// Waitlist entry to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// Fresh id for the entry.
    pub entry: EntryId,
    /// Customer of the entry.
    pub user: UserId,
    /// Ticket type to wait for.
    pub ticket_type: TicketTypeId,
    /// Tickets to wait for.
    pub quantity: i64,
    /// Tickets of the order, booked ones included.
    pub asked: i64,
    /// True if the customer takes fewer tickets for now.
    pub accepts_part: bool,
}

/// Appends an entry to the waitlist and assigns its position key. Returns `None` if the ticket type is not of this
/// event.
pub fn queue(inventory: &mut Inventory, joining: Joining) -> Option<Queued> {
    let Joining { entry, user, ticket_type, quantity, asked, accepts_part } = joining;
    let quota = inventory.ticket_type(ticket_type)?.quota;
    let (terms, position_key) = (inventory.terms, inventory.waitlist_tail + 1);
    let quota = inventory.quotas.iter_mut().find(|one| one.id == quota)?;
    inventory.waitlist_tail = position_key;
    let waiting =
        Waiting { entry, user, ticket_type, quota: quota.id, quantity, asked, accepts_part, position_key, terms };
    quota.waiting += quantity;
    // Behind entries that were not read, no entry is promoted in this transaction: the unread ones take the free
    // tickets. An entry that can never be given all its tickets at once is not in turn, so nothing is kept free for it.
    if !quota.waitlist_continues && (accepts_part || quantity <= quota.capacity) {
        quota.waitlist.push(waiting);
    }
    inventory.waits.entry((user, ticket_type)).or_default().push(waiting);
    Some(Queued { quota: quota.id, waiting })
}
