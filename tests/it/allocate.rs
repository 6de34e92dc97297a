//! The pure allocator: each rule by itself, and thousands of random inventories that must never oversell.
//! Not here: databases.

use std::collections::HashMap;

use boxoffice::booking::allocate::{
    Allocation, AllocationRequest, Inventory, Joining, Outcome, Promotion, Queued, Quota, TicketType, Waiting,
    allocate, queue,
};
use boxoffice::clock::Timestamp;
use boxoffice::id::{EntryId, EventId, RandomSource, TicketTypeId, UserId};
use boxoffice::status::{EventStatus, Fulfilment};
use uuid::Uuid;

use crate::harness::seeded;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

fn ticket_type(n: u128) -> TicketTypeId {
    id(100 + n)
}

fn kind(n: u128, quota: u128) -> TicketType {
    TicketType { id: ticket_type(n), slot: id(3), quota: id(quota), price_minor: 0, begun: false }
}

fn waiting(n: u128, quantity: i64, accepts_part: bool) -> Waiting {
    Waiting {
        entry: id(n),
        user: id(n),
        ticket_type: ticket_type(0),
        quota: id(4),
        quantity,
        asked: quantity,
        accepts_part,
        position_key: n as i64,
        terms: 0,
    }
}

fn joining(n: u128, quantity: i64, accepts_part: bool) -> Joining {
    Joining { entry: id(n), user: id(n), ticket_type: ticket_type(0), quantity, asked: quantity, accepts_part }
}

fn quota(n: u128, capacity: i64, sold: i64, held: i64, waitlist: Vec<Waiting>) -> Quota {
    let waiting = waitlist.iter().map(|waiting| waiting.quantity).sum();
    let open_as_read = if waitlist.is_empty() { capacity - sold - held } else { 0 };
    Quota { id: id(n), capacity, sold, held, waiting, open_as_read, waitlist, waitlist_continues: false }
}

/// Returns an inventory with one ticket type, `capacity` tickets, `sold` of them sold, and a waitlist.
fn inventory(capacity: i64, sold: i64, waitlist: Vec<Waiting>) -> Inventory {
    Inventory {
        event: id::<EventId>(1),
        organizer: id(2),
        status: EventStatus::Published,
        read_at: Timestamp(0),
        currency: "EUR".to_owned(),
        revision: 0,
        waitlist_tail: waitlist.len() as i64,
        terms: 0,
        only_type: Some(ticket_type(0)),
        ticket_types: vec![kind(0, 4)],
        quotas: vec![quota(4, capacity, sold, 0, waitlist)],
        waits: HashMap::new(),
    }
}

fn allocation_request(user: u128, quantity: i64, fulfilment: Fulfilment) -> AllocationRequest {
    AllocationRequest { user: id::<UserId>(user), items: vec![(ticket_type(0), quantity)], fulfilment, entries: ids(1) }
}

/// Returns fresh ids of waitlist entries.
fn ids(n: usize) -> Vec<EntryId> {
    (0..n).map(|_| RandomSource::system().id(Timestamp(0))).collect()
}

fn booked(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Granted { booked, .. } => booked.iter().map(|(_, quantity)| quantity).sum(),
        Outcome::Refused { .. } | Outcome::Repeated { .. } => 0,
    }
}

/// Adds an entry to the open ones of its user, as they are read for a user with an allocation request.
fn opens(inventory: &mut Inventory, waiting: Waiting) {
    inventory.waits.entry((waiting.user, waiting.ticket_type)).or_default().push(waiting);
}

use Fulfilment::{AllOrNothing, Partial, PartialAndWaitlist};

#[test]
fn the_line_is_served_first_and_in_order() {
    let line = vec![waiting(1, 2, false), waiting(2, 1, false), waiting(3, 1, false)];
    let done = allocate(inventory(3, 0, line), &[allocation_request(9, 1, AllOrNothing)]);
    let granted: Vec<(Uuid, i64)> = done.promotions.iter().map(|p| (p.waiting.entry.0, p.granted)).collect();
    assert_eq!(granted, [(Uuid::from_u128(1), 2), (Uuid::from_u128(2), 1)]);
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
    assert_eq!(done.inventory.quotas[0].sold, 3);
}

#[test]
fn a_head_that_does_not_fit_blocks_everybody() {
    let line = vec![waiting(1, 3, false), waiting(2, 1, false)];
    let done = allocate(inventory(2, 0, line), &[allocation_request(9, 1, Partial)]);
    assert!(done.promotions.is_empty());
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

#[test]
fn a_head_that_accepts_part_takes_it_and_stays() {
    let done = allocate(inventory(2, 0, vec![waiting(1, 5, true), waiting(2, 1, false)]), &[]);
    assert_eq!(done.promotions.len(), 1);
    assert_eq!(done.promotions[0].granted, 2);
    assert_eq!(done.inventory.quotas[0].waitlist[0].quantity, 3);
}

#[test]
fn newcomers_are_served_in_order_of_arrival() {
    let allocation_requests = [
        allocation_request(1, 3, AllOrNothing),
        allocation_request(2, 3, AllOrNothing),
        allocation_request(3, 2, AllOrNothing),
        allocation_request(4, 1, Partial),
    ];
    let done = allocate(inventory(5, 0, vec![]), &allocation_requests);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [3, 0, 2, 0]);
    assert_eq!(done.outcomes[1], Outcome::Refused { available: 2, requested: 3 });
}

#[test]
fn who_queues_first_keeps_later_ones_from_overtaking() {
    // The second allocation request takes the rest, the third waits; the fourth could have used a ticket, but none is
    // left.
    let allocation_requests = [
        allocation_request(1, 4, PartialAndWaitlist),
        allocation_request(2, 4, PartialAndWaitlist),
        allocation_request(3, 1, Partial),
    ];
    let done = allocate(inventory(6, 0, vec![]), &allocation_requests);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [4, 2, 0]);
    let Outcome::Granted { queued, .. } = &done.outcomes[1] else { panic!() };
    assert_eq!((queued[0].waiting.quantity, queued[0].waiting.position_key), (2, 1));
}

#[test]
fn who_asks_for_more_keeps_the_old_place_and_adds_one_at_the_end() {
    let mut before = inventory(1, 1, vec![waiting(1, 2, false), waiting(2, 1, false)]);
    opens(&mut before, waiting(1, 2, false));
    let done = allocate(before, &[allocation_request(1, 3, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    let added = queued[0].waiting;
    assert_ne!(added.entry, id(1));
    assert_eq!((added.quantity, added.position_key, added.accepts_part), (3, 3, true));
    let waitlist: Vec<_> =
        done.inventory.quotas[0].waitlist.iter().map(|w| (w.user, w.quantity, w.accepts_part)).collect();
    assert_eq!(waitlist, [(id(1), 2, false), (id(2), 1, false), (id(1), 3, true)]);
    assert_eq!((done.inventory.quotas[0].waiting, done.inventory.quotas[0].open()), (6, 0));
}

#[test]
fn a_repeated_order_is_not_added() {
    // Of four tickets two were booked; then the same request is sent again.
    let mut before = inventory(2, 0, vec![]);
    let done = allocate(
        before.clone(),
        &[allocation_request(1, 4, PartialAndWaitlist), allocation_request(1, 4, PartialAndWaitlist)],
    );
    assert_eq!(booked(&done.outcomes[0]), 2);
    assert_eq!(done.outcomes[1], Outcome::Repeated { waiting: 2 });
    assert_eq!((done.inventory.quotas[0].waiting, done.inventory.quotas[0].waitlist.len()), (2, 1));
    // A request that can be booked in full is no repetition, whatever entries exist elsewhere.
    opens(&mut before, Waiting { terms: -1, ..waiting(1, 2, true) });
    let done = allocate(before, &[allocation_request(1, 2, PartialAndWaitlist)]);
    assert_eq!(booked(&done.outcomes[0]), 2);
}

#[test]
fn who_is_not_in_turn_is_waited_for_by_nobody() {
    let mut before = inventory(3, 1, vec![]);
    before.quotas[0].waiting = 5; // entries that are paused, or set aside
    let done = allocate(before, &[allocation_request(9, 1, AllOrNothing)]);
    assert_eq!(booked(&done.outcomes[0]), 1);
    assert_eq!((done.inventory.quotas[0].waiting, done.inventory.quotas[0].open()), (5, 1));
}

#[test]
fn what_is_not_served_of_a_long_line_stays_its_own() {
    let mut before = inventory(9, 0, vec![waiting(1, 1, false), waiting(2, 1, false)]);
    before.quotas[0].waitlist_continues = true;
    let done = allocate(before, &[allocation_request(9, 1, Partial)]);
    let after = &done.inventory.quotas[0];
    assert_eq!((done.promotions.len(), after.sold, after.open()), (2, 2, 0));
    assert!(after.is_unfinished());
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

#[test]
fn kinds_that_share_a_quota_share_its_places() {
    let mut before = inventory(3, 0, vec![]);
    before.ticket_types.push(kind(1, 4));
    let items = vec![(ticket_type(0), 2), (ticket_type(1), 2)];
    let both = AllocationRequest { user: id(9), items, fulfilment: AllOrNothing, entries: ids(2) };
    let done = allocate(before.clone(), std::slice::from_ref(&both));
    assert_eq!(done.outcomes, [Outcome::Refused { available: 3, requested: 4 }]);
    assert_eq!(done.inventory.quotas[0].sold, 0, "a refusal changes nothing");
    let done = allocate(before, &[AllocationRequest { fulfilment: Partial, ..both }]);
    assert_eq!(booked(&done.outcomes[0]), 3);
}

#[test]
fn nobody_is_served_when_the_event_is_not_on_sale() {
    for status in [EventStatus::Cancelled, EventStatus::Draft] {
        let done = allocate(Inventory { status, ..inventory(5, 0, vec![waiting(1, 1, false)]) }, &[]);
        assert!(done.promotions.is_empty(), "{status:?}");
    }
}

#[test]
fn tickets_of_a_slot_that_has_begun_are_given_to_no_newcomer() {
    let mut before = inventory(5, 0, vec![]);
    before.ticket_types[0].begun = true;
    before.ticket_types.push(kind(1, 4));
    let items = vec![(ticket_type(1), 2)];
    let later = AllocationRequest { user: id(8), items, fulfilment: AllOrNothing, entries: ids(1) };
    let done = allocate(before, &[allocation_request(9, 1, Partial), later]);
    assert_eq!(done.outcomes[0], Outcome::Refused { available: 0, requested: 1 });
    assert_eq!(booked(&done.outcomes[1]), 2, "another slot of the same quota can still be booked");
}

#[test]
fn what_the_line_leaves_is_for_newcomers() {
    let done = allocate(
        inventory(5, 0, vec![waiting(1, 3, false)]),
        &[allocation_request(9, 3, Partial), allocation_request(8, 1, Partial)],
    );
    assert_eq!(done.promotions.len(), 1);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(done.inventory.quotas[0].sold, 5);
}

#[test]
fn held_places_are_not_free() {
    let mut before = inventory(5, 1, vec![]);
    before.quotas[0].held = 2;
    let done = allocate(before, &[allocation_request(9, 3, AllOrNothing), allocation_request(8, 3, Partial)]);
    assert_eq!(done.outcomes[0], Outcome::Refused { available: 2, requested: 3 });
    assert_eq!(booked(&done.outcomes[1]), 2);
    assert_eq!((done.inventory.quotas[0].sold, done.inventory.quotas[0].held), (3, 2));
}

#[test]
fn a_line_holds_only_its_own_quota() {
    let mut before = inventory(2, 0, vec![waiting(1, 3, false)]);
    before.ticket_types.push(kind(1, 5));
    before.quotas.push(quota(5, 2, 0, 0, vec![]));
    let of = |n, quantity| AllocationRequest {
        items: vec![(ticket_type(n), quantity)],
        ..allocation_request(9, 1, Partial)
    };
    let done = allocate(before.clone(), &[of(0, 1), of(1, 1)]);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [0, 1]);
    // One order over both ticket types: it books the available tickets of the one and waits for the other.
    let items = vec![(ticket_type(0), 1), (ticket_type(1), 3)];
    let both = AllocationRequest { items, entries: ids(2), ..allocation_request(9, 1, PartialAndWaitlist) };
    let done = allocate(before, &[both]);
    let Outcome::Granted { booked, queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!(booked, &[(ticket_type(1), 2)]);
    let queued: Vec<_> =
        queued.iter().map(|q| (q.waiting.ticket_type, q.waiting.quantity, q.waiting.position_key)).collect();
    assert_eq!(queued, [(ticket_type(0), 1, 2), (ticket_type(1), 1, 3)]);
}

#[test]
fn an_entry_that_was_served_meanwhile_is_not_repeated() {
    let mut before = inventory(3, 0, vec![waiting(1, 2, true)]);
    opens(&mut before, waiting(1, 2, true));
    let done = allocate(before.clone(), &[allocation_request(1, 2, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!((done.promotions[0].granted, booked(&done.outcomes[0])), (2, 1));
    assert_eq!(queued[0].waiting.quantity, 1, "the old one is fulfilled, this is a new one");
    // An entry that was given a part is still on the waitlist.
    before.quotas[0].capacity = 1;
    let done = allocate(before, &[allocation_request(1, 2, PartialAndWaitlist)]);
    assert_eq!(done.outcomes, [Outcome::Repeated { waiting: 1 }]);
}

#[test]
fn joining_goes_to_the_end_and_keeps_newcomers_out() {
    let mut before = inventory(3, 1, vec![]);
    let queued = queue(&mut before, joining(7, 3, false)).unwrap().waiting;
    assert_eq!((queued.entry, queued.quantity, queued.position_key), (id(7), 3, 1));
    assert_eq!(before.waitlist_tail, 1);
    assert_eq!((before.quotas[0].free(), before.quotas[0].waiting, before.quotas[0].open()), (2, 3, 0));
    assert_eq!(queue(&mut before, joining(8, 1, false)).unwrap().waiting.position_key, 2);
    assert_eq!(
        queue(&mut before, Joining { ticket_type: ticket_type(9), ..joining(8, 1, false) }),
        None,
        "a ticket_type of another event"
    );
}

#[test]
fn a_kind_of_another_event_has_no_places() {
    let strange = AllocationRequest { items: vec![(ticket_type(9), 1)], ..allocation_request(9, 1, AllOrNothing) };
    let done = allocate(inventory(5, 0, vec![]), &[strange]);
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

// --- thousands of random inventories

/// Draws from a random source.
struct Draw<'a>(&'a RandomSource);

impl Draw<'_> {
    /// Returns a number from 0 to `n` - 1.
    fn below(&self, n: i64) -> i64 {
        (self.0.fraction() * n as f64) as i64
    }

    fn yes(&self, probability: f64) -> bool {
        self.0.fraction() < probability
    }
}

/// Returns an inventory as in the tables, with every waitlist in full length, and allocation requests, sometimes
/// several of one user.
fn random_case(draw: &Draw<'_>) -> (Inventory, Vec<AllocationRequest>) {
    let quotas = 1 + draw.below(2);
    let ticket_types = quotas + draw.below(2); // the last one shares the first quota
    let quota_id = |n: i64| id((4 + n % quotas) as u128);
    let mut whole = inventory(0, 0, vec![]);
    whole.ticket_types = (0..ticket_types).map(|n| TicketType { quota: quota_id(n), ..kind(n as u128, 4) }).collect();
    whole.waitlist_tail = 0;
    let mut lines: Vec<Vec<Waiting>> = vec![Vec::new(); quotas as usize];
    let capacities: Vec<i64> = (0..quotas).map(|_| 1 + draw.below(12)).collect();
    for n in 0..draw.below(10) {
        let (user, of) = (50 + draw.below(8) as u128, draw.below(ticket_types));
        let capacity = capacities[(of % quotas) as usize];
        whole.waitlist_tail += 1 + draw.below(2); // those who left have left gaps
        let mut entry = waiting(500 + n as u128, 1 + draw.below(4), draw.yes(0.5));
        (entry.user, entry.ticket_type, entry.position_key) = (id(user), ticket_type(of as u128), whole.waitlist_tail);
        entry.quota = quota_id(of);
        entry.asked += draw.below(2);
        if entry.accepts_part || entry.quantity <= capacity {
            lines[(of % quotas) as usize].push(entry);
        }
    }
    whole.quotas = (0..quotas)
        .zip(lines)
        .map(|(n, line)| {
            let capacity = capacities[n as usize];
            let sold = draw.below(capacity + 1);
            let held = draw.below(capacity - sold + 1);
            Quota { id: quota_id(n), ..quota(0, capacity, sold, held, line) }
        })
        .collect();
    let mut allocation_requests: Vec<AllocationRequest> = Vec::new();
    for _ in 0..draw.below(6) {
        let user = id(if draw.yes(0.4) { 50 + draw.below(8) as u128 } else { 200 + draw.below(20) as u128 });
        let first = draw.below(ticket_types);
        let of =
            (first..(first + 1 + draw.below(2)).min(ticket_types)).map(|n| (ticket_type(n as u128), 1 + draw.below(5)));
        let fulfilment = [AllOrNothing, Partial, PartialAndWaitlist][draw.below(3) as usize];
        allocation_requests.push(AllocationRequest { user, items: of.collect(), fulfilment, entries: ids(2) });
    }
    let entries: Vec<Waiting> = whole.quotas.iter().flat_map(|one| one.waitlist.clone()).collect();
    for entry in entries {
        if allocation_requests.iter().any(|allocation_request| allocation_request.user == entry.user) {
            opens(&mut whole, entry);
        }
    }
    (whole, allocation_requests)
}

/// Returns the same inventory as `booking::inventory` reads it: of each waitlist the entries that the free tickets
/// could fill and one more; none where no ticket is free.
fn as_read(whole: &Inventory) -> Inventory {
    let mut read = whole.clone();
    for quota in &mut read.quotas {
        let shown = if quota.free() == 0 { 0 } else { quota.free() as usize + 1 };
        quota.waitlist_continues = quota.waitlist.len() > shown;
        quota.waitlist.truncate(shown);
    }
    read
}

/// Returns the part of an inventory that is read for these requests: the ticket types they name, their quotas, and the
/// ticket types of the entries that wait for those.
fn part_of(whole: &Inventory, allocation_requests: &[AllocationRequest]) -> Inventory {
    let mut part = whole.clone();
    let named = |id: TicketTypeId| allocation_requests.iter().any(|one| one.items.iter().any(|item| item.0 == id));
    let touched: Vec<_> = whole.ticket_types.iter().filter(|one| named(one.id)).map(|one| one.quota).collect();
    part.quotas.retain(|quota| touched.contains(&quota.id));
    let waited_for: Vec<_> = part.quotas.iter().flat_map(|quota| &quota.waitlist).map(|one| one.ticket_type).collect();
    part.ticket_types.retain(|one| named(one.id) || waited_for.contains(&one.id));
    part
}

fn quota_of(inventory: &Inventory, ticket_type: TicketTypeId) -> usize {
    let quota = inventory.ticket_type(ticket_type).unwrap().quota;
    inventory.quotas.iter().position(|one| one.id == quota).unwrap()
}

/// A second statement of the rules: goes through the decisions and checks every step.
struct Witness<'a> {
    inventory: &'a Inventory,
    free: Vec<i64>,
    lines: Vec<Vec<Waiting>>,
    tail: i64,
}

impl<'a> Witness<'a> {
    fn hold(inventory: &'a Inventory, allocation_requests: &[AllocationRequest], done: &Allocation) -> Self {
        let free = inventory.quotas.iter().map(Quota::free).collect();
        let lines = inventory.quotas.iter().map(|one| one.waitlist.clone()).collect();
        let mut model = Self { inventory, free, lines, tail: inventory.waitlist_tail };
        model.served(&done.promotions);
        for (allocation_request, outcome) in allocation_requests.iter().zip(&done.outcomes) {
            model.answered(allocation_request, outcome);
        }
        model.left(&done.inventory);
        model
    }

    /// Entries are promoted from the front, in order, and as far as the tickets go.
    fn served(&mut self, promotions: &[Promotion]) {
        for Promotion { waiting, granted } in promotions {
            let at = quota_of(self.inventory, waiting.ticket_type);
            let head = self.lines[at].first_mut().expect("nobody waits");
            assert_eq!(head, waiting, "somebody was passed over");
            let is_part = head.accepts_part && *granted == self.free[at] && *granted < head.quantity;
            assert!(*granted > 0 && (*granted == head.quantity || is_part), "{granted} of {}", self.free[at]);
            self.free[at] -= granted;
            head.quantity -= granted;
            if head.quantity == 0 {
                self.lines[at].remove(0);
            }
        }
        for (waitlist, free) in self.lines.iter().zip(&self.free) {
            assert!(*free >= 0, "oversold");
            if let Some(head) = waitlist.first() {
                let fits = *free >= head.quantity || (head.accepts_part && *free > 0);
                assert!(!fits, "a ticket is free that the front of the waitlist would take");
            }
        }
    }

    /// An allocation request got what its fulfilment promises, never before a waiting entry.
    fn answered(&mut self, allocation_request: &AllocationRequest, outcome: &Outcome) {
        let requested: i64 = allocation_request.items.iter().map(|(_, quantity)| quantity).sum();
        let (booked, queued) = match outcome {
            Outcome::Refused { available, requested: told } => {
                assert_ne!(allocation_request.fulfilment, PartialAndWaitlist, "refused instead of queued");
                assert_eq!(*told, requested);
                assert!(*available < requested && (allocation_request.fulfilment == AllOrNothing || *available == 0));
                return;
            }
            Outcome::Repeated { waiting } => {
                assert_eq!(allocation_request.fulfilment, PartialAndWaitlist);
                let same = |own: &&Waiting| {
                    own.user == allocation_request.user
                        && own.quantity == *waiting
                        && allocation_request.items.contains(&(own.ticket_type, own.asked))
                };
                assert!(self.lines.iter().flatten().any(|own| same(&own)), "nothing was repeated");
                return;
            }
            Outcome::Granted { booked, queued } => (booked, queued),
        };
        let mut all = 0;
        for (ticket_type, quantity) in booked {
            let at = quota_of(self.inventory, *ticket_type);
            assert!(self.lines[at].is_empty(), "a newcomer overtook the waitlist");
            assert!(*quantity > 0);
            self.free[at] -= quantity;
            all += quantity;
        }
        match allocation_request.fulfilment {
            AllOrNothing => assert!(all == requested && queued.is_empty()),
            Partial => assert!(all > 0 && all <= requested && queued.is_empty()),
            PartialAndWaitlist => {
                assert_eq!(all + queued.iter().map(|queued| queued.waiting.quantity).sum::<i64>(), requested)
            }
        }
        for queued in queued {
            self.queued(allocation_request, queued);
        }
    }

    /// Each waiting part of an order is an entry of its own, at the end of the waitlist; a repetition adds none.
    fn queued(&mut self, allocation_request: &AllocationRequest, Queued { waiting, .. }: &Queued) {
        let line = &mut self.lines[quota_of(self.inventory, waiting.ticket_type)];
        let asked = allocation_request
            .items
            .iter()
            .find(|(ticket_type, _)| *ticket_type == waiting.ticket_type)
            .map(|(_, asked)| *asked);
        let is_own =
            |other: &&Waiting| other.user == allocation_request.user && other.ticket_type == waiting.ticket_type;
        assert!(line.iter().filter(is_own).all(|own| Some(own.asked) != asked), "a repetition was added");
        assert!(allocation_request.entries.contains(&waiting.entry) && Some(waiting.asked) == asked);
        self.tail += 1;
        assert_eq!(
            (waiting.user, waiting.position_key, waiting.accepts_part),
            (allocation_request.user, self.tail, true)
        );
        line.push(*waiting);
    }

    /// The inventory afterwards equals the sum of the steps.
    fn left(&self, after: &Inventory) {
        assert_eq!(after.waitlist_tail, self.tail);
        for (at, quota) in after.quotas.iter().enumerate() {
            let before = &self.inventory.quotas[at];
            assert_eq!((quota.capacity, quota.held, quota.free()), (before.capacity, before.held, self.free[at]));
            let open = if self.lines[at].is_empty() { self.free[at] } else { 0 };
            let waiting: i64 = self.lines[at].iter().map(|waiting| waiting.quantity).sum();
            assert_eq!((quota.open(), quota.waiting), (open, waiting));
        }
    }
}

#[test]
fn thousands_of_random_floors_stay_sound() {
    let random = seeded("allocate");
    let (mut promoted, mut added, mut repeated, mut refused, mut split, mut parts) = (0, 0, 0, 0, 0, 0);
    for _ in 0..30_000 {
        let draw = Draw(&random);
        let (whole, allocation_requests) = random_case(&draw);
        let done = allocate(as_read(&whole), &allocation_requests);
        Witness::hold(&whole, &allocation_requests, &done);
        promoted += done.promotions.len();

        // The part of the waitlist that was read leads to the same decision as all of it.
        let informed = allocate(whole.clone(), &allocation_requests);
        assert_eq!((&informed.promotions, &informed.outcomes), (&done.promotions, &done.outcomes));
        assert_eq!(informed.inventory.waitlist_tail, done.inventory.waitlist_tail);

        // The part that the requests touch leads to the same decision as the whole inventory.
        let touched = allocate(part_of(&as_read(&whole), &allocation_requests), &allocation_requests);
        let is_touched = |quota| touched.inventory.quotas.iter().any(|one| one.id == quota);
        parts += usize::from(touched.inventory.quotas.len() < whole.quotas.len());
        assert_eq!(touched.outcomes, done.outcomes);
        assert!(touched.promotions.iter().eq(done.promotions.iter().filter(|one| is_touched(one.waiting.quota))));
        assert!(touched.inventory.quotas.iter().eq(done.inventory.quotas.iter().filter(|one| is_touched(one.id))));
        assert_eq!(touched.inventory.waitlist_tail, done.inventory.waitlist_tail);

        // A refused request has no effect.
        let kept: Vec<usize> =
            (0..allocation_requests.len()).filter(|at| matches!(done.outcomes[*at], Outcome::Granted { .. })).collect();
        refused += allocation_requests.len() - kept.len();
        let without =
            allocate(as_read(&whole), &kept.iter().map(|at| allocation_requests[*at].clone()).collect::<Vec<_>>());
        assert_eq!(without.inventory, done.inventory);
        assert_eq!(without.outcomes, kept.iter().map(|at| done.outcomes[*at].clone()).collect::<Vec<_>>());

        // A batch decides as if the requests came one after the other.
        repeated += done.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Repeated { .. })).count();
        let has_open = |allocation_request: &AllocationRequest| {
            whole.waits.keys().any(|(user, _)| *user == allocation_request.user)
        };
        let waits = |outcome: &Outcome| matches!(outcome, Outcome::Granted { queued, .. } if !queued.is_empty());
        added += allocation_requests
            .iter()
            .zip(&done.outcomes)
            .filter(|(allocation_request, outcome)| has_open(allocation_request) && waits(outcome))
            .count();
        if allocation_requests.len() > 1 {
            split += 1;
            let (first, second) = allocation_requests.split_at(draw.below(allocation_requests.len() as i64) as usize);
            let early = allocate(as_read(&whole), first);
            let late = allocate(early.inventory, second);
            assert!(late.promotions.is_empty());
            assert_eq!([early.outcomes, late.outcomes].concat(), done.outcomes);
            assert_eq!(late.inventory, done.inventory);
        }
    }
    let last = u64::from_le_bytes(random.bytes());
    println!("drew {promoted} {added} {repeated} {refused} {split} {last:x}");
    // The random cases reach every branch.
    assert!(
        promoted > 5_000 && added > 1_000 && repeated > 500 && refused > 5_000 && split > 5_000 && parts > 2_000,
        "{promoted} {added} {repeated} {refused} {split} {parts}"
    );
}
