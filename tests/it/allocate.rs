//! The pure allocator: each rule by itself, and thousands of random floors that must never oversell.
//! Not here: databases.

use std::collections::HashMap;

use boxoffice::booking::allocate::{
    Allocation, Floor, Joining, Kind, Outcome, Pool, Promotion, Queued, Waiting, Wish, allocate, queue,
};
use boxoffice::clock::Micros;
use boxoffice::id::{Chance, EntryId, EventId, TicketTypeId, UserId};
use boxoffice::status::{EventStatus, Fulfilment};
use uuid::Uuid;

use crate::harness::seeded;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

fn kind(n: u128) -> TicketTypeId {
    id(100 + n)
}

fn waiting(n: u128, quantity: i64, accepts_part: bool) -> Waiting {
    Waiting {
        entry: id(n),
        user: id(n),
        kind: kind(0),
        quantity,
        asked: quantity,
        accepts_part,
        line_no: n as i64,
        terms: 0,
    }
}

fn joining(n: u128, quantity: i64, accepts_part: bool) -> Joining {
    Joining { entry: id(n), user: id(n), kind: kind(0), quantity, asked: quantity, accepts_part }
}

fn pool(n: u128, capacity: i64, sold: i64, held: i64, line: Vec<Waiting>) -> Pool {
    let waiting = line.iter().map(|waiting| waiting.quantity).sum();
    let open_as_read = if line.is_empty() { capacity - sold - held } else { 0 };
    Pool { id: id(n), capacity, sold, held, waiting, open_as_read, line, line_goes_on: false }
}

/// One kind of place, `capacity` places, `sold` of them sold, a line.
fn floor(capacity: i64, sold: i64, line: Vec<Waiting>) -> Floor {
    Floor {
        event: id::<EventId>(1),
        organizer: id(2),
        status: EventStatus::Published,
        begun: false,
        currency: "EUR".to_owned(),
        revision: 0,
        line_tail: line.len() as i64,
        terms: 0,
        kinds: vec![Kind { id: kind(0), slot: id(3), quota: id(4), price_minor: 0 }],
        pools: vec![pool(4, capacity, sold, 0, line)],
        waits: HashMap::new(),
    }
}

fn wish(user: u128, quantity: i64, fulfilment: Fulfilment) -> Wish {
    Wish { user: id::<UserId>(user), items: vec![(kind(0), quantity)], fulfilment, entries: ids(1) }
}

/// Fresh ids for places in the line.
fn ids(n: usize) -> Vec<EntryId> {
    (0..n).map(|_| Chance::system().id(Micros(0))).collect()
}

fn booked(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Granted { booked, .. } => booked.iter().map(|(_, quantity)| quantity).sum(),
        Outcome::Refused { .. } | Outcome::Repeated { .. } => 0,
    }
}

/// Puts an entry among the open ones of its user, as they are read for who has a wish.
fn opens(floor: &mut Floor, waiting: Waiting) {
    floor.waits.entry((waiting.user, waiting.kind)).or_default().push(waiting);
}

use Fulfilment::{AllOrNothing, Partial, PartialAndWaitlist};

#[test]
fn the_line_is_served_first_and_in_order() {
    let line = vec![waiting(1, 2, false), waiting(2, 1, false), waiting(3, 1, false)];
    let done = allocate(floor(3, 0, line), &[wish(9, 1, AllOrNothing)]);
    let granted: Vec<(Uuid, i64)> = done.promotions.iter().map(|p| (p.waiting.entry.0, p.granted)).collect();
    assert_eq!(granted, [(Uuid::from_u128(1), 2), (Uuid::from_u128(2), 1)]);
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
    assert_eq!(done.floor.pools[0].sold, 3);
}

#[test]
fn a_head_that_does_not_fit_blocks_everybody() {
    let line = vec![waiting(1, 3, false), waiting(2, 1, false)];
    let done = allocate(floor(2, 0, line), &[wish(9, 1, Partial)]);
    assert!(done.promotions.is_empty());
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

#[test]
fn a_head_that_accepts_part_takes_it_and_stays() {
    let done = allocate(floor(2, 0, vec![waiting(1, 5, true), waiting(2, 1, false)]), &[]);
    assert_eq!(done.promotions.len(), 1);
    assert_eq!(done.promotions[0].granted, 2);
    assert_eq!(done.floor.pools[0].line[0].quantity, 3);
}

#[test]
fn newcomers_are_served_in_order_of_arrival() {
    let wishes = [wish(1, 3, AllOrNothing), wish(2, 3, AllOrNothing), wish(3, 2, AllOrNothing), wish(4, 1, Partial)];
    let done = allocate(floor(5, 0, vec![]), &wishes);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [3, 0, 2, 0]);
    assert_eq!(done.outcomes[1], Outcome::Refused { available: 2, requested: 3 });
}

#[test]
fn who_queues_first_keeps_later_ones_from_overtaking() {
    // The second wish leaves nothing, the third queues; a place that the fourth could have had does not exist.
    let wishes = [wish(1, 4, PartialAndWaitlist), wish(2, 4, PartialAndWaitlist), wish(3, 1, Partial)];
    let done = allocate(floor(6, 0, vec![]), &wishes);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [4, 2, 0]);
    let Outcome::Granted { queued, .. } = &done.outcomes[1] else { panic!() };
    assert_eq!((queued[0].waiting.quantity, queued[0].waiting.line_no), (2, 1));
}

#[test]
fn who_asks_for_more_keeps_the_old_place_and_adds_one_at_the_end() {
    let mut before = floor(1, 1, vec![waiting(1, 2, false), waiting(2, 1, false)]);
    opens(&mut before, waiting(1, 2, false));
    let done = allocate(before, &[wish(1, 3, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    let added = queued[0].waiting;
    assert_ne!(added.entry, id(1));
    assert_eq!((added.quantity, added.line_no, added.accepts_part), (3, 3, true));
    let line: Vec<_> = done.floor.pools[0].line.iter().map(|w| (w.user, w.quantity, w.accepts_part)).collect();
    assert_eq!(line, [(id(1), 2, false), (id(2), 1, false), (id(1), 3, true)]);
    assert_eq!((done.floor.pools[0].waiting, done.floor.pools[0].open()), (6, 0));
}

#[test]
fn a_repeated_order_is_not_added() {
    // Of four, two were booked; then the same button was pressed again.
    let mut before = floor(2, 0, vec![]);
    let done = allocate(before.clone(), &[wish(1, 4, PartialAndWaitlist), wish(1, 4, PartialAndWaitlist)]);
    assert_eq!(booked(&done.outcomes[0]), 2);
    assert_eq!(done.outcomes[1], Outcome::Repeated { waiting: 2 });
    assert_eq!((done.floor.pools[0].waiting, done.floor.pools[0].line.len()), (2, 1));
    // What can be booked in full is no repetition, whatever is waited for elsewhere.
    opens(&mut before, Waiting { terms: -1, ..waiting(1, 2, true) });
    let done = allocate(before, &[wish(1, 2, PartialAndWaitlist)]);
    assert_eq!(booked(&done.outcomes[0]), 2);
}

#[test]
fn who_is_not_in_turn_is_waited_for_by_nobody() {
    let mut before = floor(3, 1, vec![]);
    before.pools[0].waiting = 5; // entries that ask first, or are set aside
    let done = allocate(before, &[wish(9, 1, AllOrNothing)]);
    assert_eq!(booked(&done.outcomes[0]), 1);
    assert_eq!((done.floor.pools[0].waiting, done.floor.pools[0].open()), (5, 1));
}

#[test]
fn what_is_not_served_of_a_long_line_stays_its_own() {
    let mut before = floor(9, 0, vec![waiting(1, 1, false), waiting(2, 1, false)]);
    before.pools[0].line_goes_on = true;
    let done = allocate(before, &[wish(9, 1, Partial)]);
    let after = &done.floor.pools[0];
    assert_eq!((done.promotions.len(), after.sold, after.open()), (2, 2, 0));
    assert!(after.is_unfinished());
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

#[test]
fn kinds_that_share_a_quota_share_its_places() {
    let mut before = floor(3, 0, vec![]);
    before.kinds.push(Kind { id: kind(1), slot: id(3), quota: id(4), price_minor: 0 });
    let items = vec![(kind(0), 2), (kind(1), 2)];
    let both = Wish { user: id(9), items, fulfilment: AllOrNothing, entries: ids(2) };
    let done = allocate(before.clone(), std::slice::from_ref(&both));
    assert_eq!(done.outcomes, [Outcome::Refused { available: 3, requested: 4 }]);
    assert_eq!(done.floor.pools[0].sold, 0, "a refusal changes nothing");
    let done = allocate(before, &[Wish { fulfilment: Partial, ..both }]);
    assert_eq!(booked(&done.outcomes[0]), 3);
}

#[test]
fn nobody_is_served_when_the_event_is_not_on_sale() {
    for (status, begun) in
        [(EventStatus::Cancelled, false), (EventStatus::Published, true), (EventStatus::Draft, false)]
    {
        let done = allocate(Floor { status, begun, ..floor(5, 0, vec![waiting(1, 1, false)]) }, &[]);
        assert!(done.promotions.is_empty(), "{status:?}");
    }
}

#[test]
fn what_the_line_leaves_is_for_newcomers() {
    let done = allocate(floor(5, 0, vec![waiting(1, 3, false)]), &[wish(9, 3, Partial), wish(8, 1, Partial)]);
    assert_eq!(done.promotions.len(), 1);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(done.floor.pools[0].sold, 5);
}

#[test]
fn held_places_are_not_free() {
    let mut before = floor(5, 1, vec![]);
    before.pools[0].held = 2;
    let done = allocate(before, &[wish(9, 3, AllOrNothing), wish(8, 3, Partial)]);
    assert_eq!(done.outcomes[0], Outcome::Refused { available: 2, requested: 3 });
    assert_eq!(booked(&done.outcomes[1]), 2);
    assert_eq!((done.floor.pools[0].sold, done.floor.pools[0].held), (3, 2));
}

#[test]
fn a_line_holds_only_its_own_quota() {
    let mut before = floor(2, 0, vec![waiting(1, 3, false)]);
    before.kinds.push(Kind { id: kind(1), slot: id(3), quota: id(5), price_minor: 0 });
    before.pools.push(pool(5, 2, 0, 0, vec![]));
    let of = |n, quantity| Wish { items: vec![(kind(n), quantity)], ..wish(9, 1, Partial) };
    let done = allocate(before.clone(), &[of(0, 1), of(1, 1)]);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [0, 1]);
    // One order over both: books what it can of the one, waits for the other.
    let items = vec![(kind(0), 1), (kind(1), 3)];
    let both = Wish { items, entries: ids(2), ..wish(9, 1, PartialAndWaitlist) };
    let done = allocate(before, &[both]);
    let Outcome::Granted { booked, queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!(booked, &[(kind(1), 2)]);
    let queued: Vec<_> = queued.iter().map(|q| (q.waiting.kind, q.waiting.quantity, q.waiting.line_no)).collect();
    assert_eq!(queued, [(kind(0), 1, 2), (kind(1), 1, 3)]);
}

#[test]
fn an_entry_that_was_served_meanwhile_is_not_repeated() {
    let mut before = floor(3, 0, vec![waiting(1, 2, true)]);
    opens(&mut before, waiting(1, 2, true));
    let done = allocate(before.clone(), &[wish(1, 2, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!((done.promotions[0].granted, booked(&done.outcomes[0])), (2, 1));
    assert_eq!(queued[0].waiting.quantity, 1, "the old one is fulfilled, this is a new one");
    // One that got a part is still there.
    before.pools[0].capacity = 1;
    let done = allocate(before, &[wish(1, 2, PartialAndWaitlist)]);
    assert_eq!(done.outcomes, [Outcome::Repeated { waiting: 1 }]);
}

#[test]
fn joining_goes_to_the_end_and_keeps_newcomers_out() {
    let mut before = floor(3, 1, vec![]);
    let queued = queue(&mut before, joining(7, 3, false)).unwrap().waiting;
    assert_eq!((queued.entry, queued.quantity, queued.line_no), (id(7), 3, 1));
    assert_eq!(before.line_tail, 1);
    assert_eq!((before.pools[0].free(), before.pools[0].waiting, before.pools[0].open()), (2, 3, 0));
    assert_eq!(queue(&mut before, joining(8, 1, false)).unwrap().waiting.line_no, 2);
    assert_eq!(queue(&mut before, Joining { kind: kind(9), ..joining(8, 1, false) }), None, "a kind of another event");
}

#[test]
fn a_kind_of_another_event_has_no_places() {
    let strange = Wish { items: vec![(kind(9), 1)], ..wish(9, 1, AllOrNothing) };
    let done = allocate(floor(5, 0, vec![]), &[strange]);
    assert_eq!(done.outcomes, [Outcome::Refused { available: 0, requested: 1 }]);
}

// --- thousands of random floors

/// Draws from a chance.
struct Draw<'a>(&'a Chance);

impl Draw<'_> {
    /// 0 to `n` - 1.
    fn below(&self, n: i64) -> i64 {
        (self.0.fraction() * n as f64) as i64
    }

    fn yes(&self, probability: f64) -> bool {
        self.0.fraction() < probability
    }
}

/// A floor as it stands in the tables, with every line in full length, and wishes, sometimes several of one user.
fn random_case(draw: &Draw<'_>) -> (Floor, Vec<Wish>) {
    let pools = 1 + draw.below(2);
    let kinds = pools + draw.below(2); // the last one shares the first quota
    let quota = |n: i64| id((4 + n % pools) as u128);
    let mut whole = floor(0, 0, vec![]);
    whole.kinds =
        (0..kinds).map(|n| Kind { id: kind(n as u128), slot: id(3), quota: quota(n), price_minor: 0 }).collect();
    whole.line_tail = 0;
    let mut lines: Vec<Vec<Waiting>> = vec![Vec::new(); pools as usize];
    let capacities: Vec<i64> = (0..pools).map(|_| 1 + draw.below(12)).collect();
    for n in 0..draw.below(10) {
        let (user, of) = (50 + draw.below(8) as u128, draw.below(kinds));
        let capacity = capacities[(of % pools) as usize];
        whole.line_tail += 1 + draw.below(2); // those who left have left gaps
        let mut entry = waiting(500 + n as u128, 1 + draw.below(4), draw.yes(0.5));
        (entry.user, entry.kind, entry.line_no) = (id(user), kind(of as u128), whole.line_tail);
        entry.asked += draw.below(2);
        if entry.accepts_part || entry.quantity <= capacity {
            lines[(of % pools) as usize].push(entry);
        }
    }
    whole.pools = (0..pools)
        .zip(lines)
        .map(|(n, line)| {
            let capacity = capacities[n as usize];
            let sold = draw.below(capacity + 1);
            let held = draw.below(capacity - sold + 1);
            Pool { id: quota(n), ..pool(0, capacity, sold, held, line) }
        })
        .collect();
    let mut wishes: Vec<Wish> = Vec::new();
    for _ in 0..draw.below(6) {
        let user = id(if draw.yes(0.4) { 50 + draw.below(8) as u128 } else { 200 + draw.below(20) as u128 });
        let first = draw.below(kinds);
        let of = (first..(first + 1 + draw.below(2)).min(kinds)).map(|n| (kind(n as u128), 1 + draw.below(5)));
        let fulfilment = [AllOrNothing, Partial, PartialAndWaitlist][draw.below(3) as usize];
        wishes.push(Wish { user, items: of.collect(), fulfilment, entries: ids(2) });
    }
    let entries: Vec<Waiting> = whole.pools.iter().flat_map(|pool| pool.line.clone()).collect();
    for entry in entries {
        if wishes.iter().any(|wish| wish.user == entry.user) {
            opens(&mut whole, entry);
        }
    }
    (whole, wishes)
}

/// The same floor as `booking::floor` reads it: of each line as much as the free places could serve and one more; nothing
/// where nothing is free.
fn as_read(whole: &Floor) -> Floor {
    let mut read = whole.clone();
    for pool in &mut read.pools {
        let shown = if pool.free() == 0 { 0 } else { pool.free() as usize + 1 };
        pool.line_goes_on = pool.line.len() > shown;
        pool.line.truncate(shown);
    }
    read
}

fn pool_of(floor: &Floor, kind: TicketTypeId) -> usize {
    let quota = floor.kind(kind).unwrap().quota;
    floor.pools.iter().position(|pool| pool.id == quota).unwrap()
}

/// The rules once more, told from outside: walks through what was decided and holds every step against them.
struct Witness<'a> {
    floor: &'a Floor,
    free: Vec<i64>,
    lines: Vec<Vec<Waiting>>,
    tail: i64,
}

impl<'a> Witness<'a> {
    fn hold(floor: &'a Floor, wishes: &[Wish], done: &Allocation) -> Self {
        let free = floor.pools.iter().map(Pool::free).collect();
        let lines = floor.pools.iter().map(|pool| pool.line.clone()).collect();
        let mut witness = Self { floor, free, lines, tail: floor.line_tail };
        witness.served(&done.promotions);
        for (wish, outcome) in wishes.iter().zip(&done.outcomes) {
            witness.answered(wish, outcome);
        }
        witness.left(&done.floor);
        witness
    }

    /// The line is served from its heads, in order, and as far as it goes.
    fn served(&mut self, promotions: &[Promotion]) {
        for Promotion { waiting, granted } in promotions {
            let at = pool_of(self.floor, waiting.kind);
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
        for (line, free) in self.lines.iter().zip(&self.free) {
            assert!(*free >= 0, "oversold");
            if let Some(head) = line.first() {
                let fits = *free >= head.quantity || (head.accepts_part && *free > 0);
                assert!(!fits, "a place is free that the head of the line would take");
            }
        }
    }

    /// A wish got what its fulfilment promises, never before those who wait.
    fn answered(&mut self, wish: &Wish, outcome: &Outcome) {
        let requested: i64 = wish.items.iter().map(|(_, quantity)| quantity).sum();
        let (booked, queued) = match outcome {
            Outcome::Refused { available, requested: told } => {
                assert_ne!(wish.fulfilment, PartialAndWaitlist, "refused instead of queued");
                assert_eq!(*told, requested);
                assert!(*available < requested && (wish.fulfilment == AllOrNothing || *available == 0));
                return;
            }
            Outcome::Repeated { waiting } => {
                assert_eq!(wish.fulfilment, PartialAndWaitlist);
                let same = |own: &&Waiting| {
                    own.user == wish.user && own.quantity == *waiting && wish.items.contains(&(own.kind, own.asked))
                };
                assert!(self.lines.iter().flatten().any(|own| same(&own)), "nothing was repeated");
                return;
            }
            Outcome::Granted { booked, queued } => (booked, queued),
        };
        let mut all = 0;
        for (kind, quantity) in booked {
            let at = pool_of(self.floor, *kind);
            assert!(self.lines[at].is_empty(), "a newcomer overtook the line");
            assert!(*quantity > 0);
            self.free[at] -= quantity;
            all += quantity;
        }
        match wish.fulfilment {
            AllOrNothing => assert!(all == requested && queued.is_empty()),
            Partial => assert!(all > 0 && all <= requested && queued.is_empty()),
            PartialAndWaitlist => {
                assert_eq!(all + queued.iter().map(|queued| queued.waiting.quantity).sum::<i64>(), requested)
            }
        }
        for queued in queued {
            self.queued(wish, queued);
        }
    }

    /// Each part of an order that waits is an entry of its own, at the end; a repetition is none.
    fn queued(&mut self, wish: &Wish, Queued { waiting, .. }: &Queued) {
        let line = &mut self.lines[pool_of(self.floor, waiting.kind)];
        let asked = wish.items.iter().find(|(kind, _)| *kind == waiting.kind).map(|(_, asked)| *asked);
        let is_own = |other: &&Waiting| other.user == wish.user && other.kind == waiting.kind;
        assert!(line.iter().filter(is_own).all(|own| Some(own.asked) != asked), "a repetition was added");
        assert!(wish.entries.contains(&waiting.entry) && Some(waiting.asked) == asked);
        self.tail += 1;
        assert_eq!((waiting.user, waiting.line_no, waiting.accepts_part), (wish.user, self.tail, true));
        line.push(*waiting);
    }

    /// The floor is left as the steps say.
    fn left(&self, after: &Floor) {
        assert_eq!(after.line_tail, self.tail);
        for (at, pool) in after.pools.iter().enumerate() {
            let before = &self.floor.pools[at];
            assert_eq!((pool.capacity, pool.held, pool.free()), (before.capacity, before.held, self.free[at]));
            let open = if self.lines[at].is_empty() { self.free[at] } else { 0 };
            let waiting: i64 = self.lines[at].iter().map(|waiting| waiting.quantity).sum();
            assert_eq!((pool.open(), pool.waiting), (open, waiting));
        }
    }
}

#[test]
fn thousands_of_random_floors_stay_sound() {
    let chance = seeded("allocate");
    let (mut promoted, mut added, mut repeated, mut refused, mut split) = (0, 0, 0, 0, 0);
    for _ in 0..30_000 {
        let draw = Draw(&chance);
        let (whole, wishes) = random_case(&draw);
        let done = allocate(as_read(&whole), &wishes);
        Witness::hold(&whole, &wishes, &done);
        promoted += done.promotions.len();

        // What was read of the line is enough to decide as if all of it had been.
        let informed = allocate(whole.clone(), &wishes);
        assert_eq!((&informed.promotions, &informed.outcomes), (&done.promotions, &done.outcomes));
        assert_eq!(informed.floor.line_tail, done.floor.line_tail);

        // A refusal is as if nobody had asked.
        let kept: Vec<usize> =
            (0..wishes.len()).filter(|at| matches!(done.outcomes[*at], Outcome::Granted { .. })).collect();
        refused += wishes.len() - kept.len();
        let without = allocate(as_read(&whole), &kept.iter().map(|at| wishes[*at].clone()).collect::<Vec<_>>());
        assert_eq!(without.floor, done.floor);
        assert_eq!(without.outcomes, kept.iter().map(|at| done.outcomes[*at].clone()).collect::<Vec<_>>());

        // Together or one after the other: a batch leaves nothing undone.
        repeated += done.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Repeated { .. })).count();
        let has_open = |wish: &Wish| whole.waits.keys().any(|(user, _)| *user == wish.user);
        let waits = |outcome: &Outcome| matches!(outcome, Outcome::Granted { queued, .. } if !queued.is_empty());
        added += wishes.iter().zip(&done.outcomes).filter(|(wish, outcome)| has_open(wish) && waits(outcome)).count();
        if wishes.len() > 1 {
            split += 1;
            let (first, second) = wishes.split_at(draw.below(wishes.len() as i64) as usize);
            let early = allocate(as_read(&whole), first);
            let late = allocate(early.floor, second);
            assert!(late.promotions.is_empty());
            assert_eq!([early.outcomes, late.outcomes].concat(), done.outcomes);
            assert_eq!(late.floor, done.floor);
        }
    }
    let last = u64::from_le_bytes(chance.bytes());
    println!("drew {promoted} {added} {repeated} {refused} {split} {last:x}");
    // The draw reaches every corner.
    assert!(
        promoted > 5_000 && added > 1_000 && repeated > 500 && refused > 5_000 && split > 5_000,
        "{promoted} {added} {repeated} {refused} {split}"
    );
}
