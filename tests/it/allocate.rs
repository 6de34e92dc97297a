//! The pure allocator: each rule by itself, and thousands of random floors that must never oversell.
//! Not here: databases.

use std::collections::HashMap;

use boxoffice::booking::allocate::{Allocation, Floor, Kind, Outcome, Pool, Waiting, Wish, allocate, queue};
use boxoffice::id::{Chance, EventId, TicketTypeId, UserId};
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
    Waiting { entry: id(n), user: id(n), kind: kind(0), quantity, accepts_part, line_no: n as i64 }
}

/// One kind of place, `capacity` places, `sold` of them sold, a line.
fn floor(capacity: i64, sold: i64, line: Vec<Waiting>) -> Floor {
    Floor {
        event: id::<EventId>(1),
        organizer: id(2),
        status: EventStatus::Published,
        begun: false,
        revision: 0,
        line_tail: line.len() as i64,
        kinds: vec![Kind { id: kind(0), slot: id(3), quota: id(4), price_minor: 0 }],
        pools: vec![Pool { id: id(4), capacity, sold, held: 0, line, line_goes_on: false }],
        open: HashMap::new(),
    }
}

fn wish(user: u128, quantity: i64, fulfilment: Fulfilment) -> Wish {
    Wish { user: id::<UserId>(user), items: vec![(kind(0), quantity)], fulfilment }
}

fn booked(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Granted { booked, .. } => booked.iter().map(|(_, quantity)| quantity).sum(),
        Outcome::Refused { .. } => 0,
    }
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
    assert_eq!((queued[0].quantity, queued[0].line_no), (2, 1));
}

#[test]
fn an_entry_grows_and_goes_to_the_end() {
    let mut before = floor(1, 1, vec![waiting(1, 2, false), waiting(2, 1, false)]);
    before.open.insert((id(1), kind(0)), waiting(1, 2, false));
    let done = allocate(before, &[wish(1, 3, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!((queued[0].grown, queued[0].quantity, queued[0].line_no), (Some(id(1)), 5, 3));
    assert_eq!(done.floor.pools[0].line[0].entry, id(2), "it left its place");
}

#[test]
fn kinds_that_share_a_quota_share_its_places() {
    let mut before = floor(3, 0, vec![]);
    before.kinds.push(Kind { id: kind(1), slot: id(3), quota: id(4), price_minor: 0 });
    let both = Wish { user: id(9), items: vec![(kind(0), 2), (kind(1), 2)], fulfilment: AllOrNothing };
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
    before.pools.push(Pool { id: id(5), capacity: 2, sold: 0, held: 0, line: vec![], line_goes_on: false });
    let of = |n, quantity| Wish { items: vec![(kind(n), quantity)], ..wish(9, 1, Partial) };
    let done = allocate(before.clone(), &[of(0, 1), of(1, 1)]);
    assert_eq!(done.outcomes.iter().map(booked).collect::<Vec<_>>(), [0, 1]);
    // One order over both: books what it can of the one, waits for the other.
    let both = Wish { items: vec![(kind(0), 1), (kind(1), 3)], ..wish(9, 1, PartialAndWaitlist) };
    let done = allocate(before, &[both]);
    let Outcome::Granted { booked, queued } = &done.outcomes[0] else { panic!() };
    assert_eq!(booked, &[(kind(1), 2)]);
    let queued: Vec<_> = queued.iter().map(|queued| (queued.kind, queued.quantity, queued.line_no)).collect();
    assert_eq!(queued, [(kind(0), 1, 2), (kind(1), 1, 3)]);
}

#[test]
fn an_entry_that_was_served_meanwhile_does_not_grow() {
    let mut before = floor(3, 0, vec![waiting(1, 2, true)]);
    before.open.insert((id(1), kind(0)), waiting(1, 2, true));
    let done = allocate(before.clone(), &[wish(1, 2, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!((done.promotions[0].granted, booked(&done.outcomes[0])), (2, 1));
    assert_eq!((queued[0].grown, queued[0].quantity), (None, 1), "the old one is fulfilled, this is a new one");
    // One that got a part grows from what is left of it.
    before.pools[0].capacity = 1;
    let done = allocate(before, &[wish(1, 2, PartialAndWaitlist)]);
    let Outcome::Granted { queued, .. } = &done.outcomes[0] else { panic!() };
    assert_eq!((queued[0].grown, queued[0].quantity), (Some(id(1)), 3));
}

#[test]
fn joining_goes_to_the_end_and_keeps_newcomers_out() {
    let mut before = floor(3, 1, vec![]);
    let queued = queue(&mut before, id(7), kind(0), 3, false).unwrap();
    assert_eq!((queued.grown, queued.quantity, queued.line_no, before.line_tail), (None, 3, 1, 1));
    assert_eq!((before.pools[0].free(), before.pools[0].free_for_newcomers()), (2, 0));
    assert_eq!(queue(&mut before, id(8), kind(0), 1, false).unwrap().line_no, 2);
    assert_eq!(queue(&mut before, id(8), kind(9), 1, false), None, "a kind of another event");
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

/// A floor as it stands in the tables, with every line in full length, and wishes at most one of a user.
fn random_case(draw: &Draw<'_>) -> (Floor, Vec<Wish>) {
    let pools = 1 + draw.below(2);
    let kinds = pools + draw.below(2); // the last one shares the first quota
    let quota = |n: i64| id((4 + n % pools) as u128);
    let mut whole = floor(0, 0, vec![]);
    whole.kinds =
        (0..kinds).map(|n| Kind { id: kind(n as u128), slot: id(3), quota: quota(n), price_minor: 0 }).collect();
    whole.line_tail = 0;
    let mut lines: Vec<Vec<Waiting>> = vec![Vec::new(); pools as usize];
    for n in 0..draw.below(10) {
        let (user, of) = (50 + draw.below(8) as u128, draw.below(kinds));
        let is_open = lines.iter().flatten().any(|other| other.user == id(user) && other.kind == kind(of as u128));
        if !is_open {
            whole.line_tail += 1 + draw.below(2); // those who left have left gaps
            let mut entry = waiting(500 + n as u128, 1 + draw.below(4), draw.yes(0.5));
            (entry.user, entry.kind, entry.line_no) = (id(user), kind(of as u128), whole.line_tail);
            lines[(of % pools) as usize].push(entry);
        }
    }
    whole.pools = (0..pools)
        .zip(lines)
        .map(|(n, line)| {
            let capacity = 1 + draw.below(12);
            let sold = draw.below(capacity + 1);
            let held = draw.below(capacity - sold + 1);
            Pool { id: quota(n), capacity, sold, held, line, line_goes_on: false }
        })
        .collect();
    let mut wishes: Vec<Wish> = Vec::new();
    for _ in 0..draw.below(6) {
        let user = id(if draw.yes(0.4) { 50 + draw.below(8) as u128 } else { 200 + draw.below(20) as u128 });
        let first = draw.below(kinds);
        let of = (first..(first + 1 + draw.below(2)).min(kinds)).map(|n| (kind(n as u128), 1 + draw.below(5)));
        let fulfilment = [AllOrNothing, Partial, PartialAndWaitlist][draw.below(3) as usize];
        let wish = Wish { user, items: of.collect(), fulfilment };
        if !wishes.iter().any(|other| other.user == user) {
            wishes.push(wish);
        }
    }
    for entry in whole.pools.iter().flat_map(|pool| &pool.line) {
        if wishes.iter().any(|wish| wish.user == entry.user) {
            whole.open.insert((entry.user, entry.kind), *entry);
        }
    }
    (whole, wishes)
}

/// The same floor as `booking::floor` reads it: of each line as much as the free places could serve, and one more.
fn as_read(whole: &Floor) -> Floor {
    let mut read = whole.clone();
    for pool in &mut read.pools {
        let shown = pool.free() as usize + 1;
        pool.line_goes_on = pool.line.len() > shown;
        pool.line.truncate(shown);
    }
    read
}

fn pool_of(floor: &Floor, kind: TicketTypeId) -> usize {
    let quota = floor.kind(kind).unwrap().quota;
    floor.pools.iter().position(|pool| pool.id == quota).unwrap()
}

/// What was booked from one pool.
fn booked_from(floor: &Floor, outcome: &Outcome, at: usize) -> i64 {
    let Outcome::Granted { booked, .. } = outcome else { return 0 };
    booked.iter().filter(|(kind, _)| pool_of(floor, *kind) == at).map(|(_, quantity)| quantity).sum()
}

/// Whether an outcome put somebody into the line of a pool.
fn queued_at(floor: &Floor, outcome: &Outcome, at: usize) -> bool {
    matches!(outcome, Outcome::Granted { queued, .. } if queued.iter().any(|queued| pool_of(floor, queued.kind) == at))
}

/// Places neither appear nor vanish, and nothing is oversold.
fn check_places(before: &Floor, done: &Allocation) {
    for (at, (old, new)) in before.pools.iter().zip(&done.floor.pools).enumerate() {
        assert!((0..=new.capacity).contains(&(new.sold + new.held)), "oversold");
        assert_eq!((old.id, old.capacity, old.held), (new.id, new.capacity, new.held));
        let of_pool = done.promotions.iter().filter(|promotion| pool_of(before, promotion.waiting.kind) == at);
        let promoted: i64 = of_pool.map(|promotion| promotion.granted).sum();
        let booked: i64 = done.outcomes.iter().map(|outcome| booked_from(before, outcome, at)).sum();
        assert_eq!(new.sold - old.sold, promoted + booked, "places appear or vanish");
    }
}

/// The line is served from its head, in order, as far as it goes; nobody overtakes it, and those who queue keep later
/// ones out.
fn check_line(whole: &Floor, done: &Allocation) {
    for (at, pool) in whole.pools.iter().enumerate() {
        let of_pool = done.promotions.iter().filter(|promotion| pool_of(whole, promotion.waiting.kind) == at);
        let served: Vec<_> = of_pool.collect();
        let mut free = pool.free();
        for (place, (entry, promotion)) in pool.line.iter().zip(&served).enumerate() {
            assert_eq!(*entry, promotion.waiting, "somebody was passed over");
            let is_last = place + 1 == served.len();
            let is_part = entry.accepts_part && promotion.granted == free && promotion.granted < entry.quantity;
            assert!(promotion.granted == entry.quantity || (is_last && is_part), "{promotion:?} of {free}");
            assert!(promotion.granted > 0);
            free -= promotion.granted;
        }
        let fulfilled = served.iter().filter(|promotion| promotion.granted == promotion.waiting.quantity).count();
        let mut somebody_waits = false;
        if let Some(head) = pool.line.get(fulfilled) {
            somebody_waits = true;
            let fits = free >= head.quantity || (head.accepts_part && free > 0);
            assert!(!fits, "a place is free that the head of the line would take");
        }
        for outcome in &done.outcomes {
            let booked = booked_from(whole, outcome, at);
            assert!(booked == 0 || !somebody_waits, "a newcomer overtook the line");
            free -= booked;
            somebody_waits |= queued_at(whole, outcome, at);
        }
        assert!(free >= 0);
        assert_eq!(somebody_waits, !done.floor.pools[at].line.is_empty() || done.floor.pools[at].line_goes_on);
    }
}

/// Each wish got what its fulfilment promises, and new numbers in the line rise.
fn check_wishes(whole: &Floor, wishes: &[Wish], done: &Allocation) {
    let mut last = whole.line_tail;
    for (wish, outcome) in wishes.iter().zip(&done.outcomes) {
        let requested: i64 = wish.items.iter().map(|(_, quantity)| quantity).sum();
        let (booked, queued) = match (wish.fulfilment, outcome) {
            (PartialAndWaitlist, Outcome::Refused { .. }) => panic!("refused instead of queued"),
            (_, Outcome::Refused { available, requested: told }) => {
                assert_eq!(*told, requested);
                assert!(*available < requested && (wish.fulfilment == AllOrNothing || *available == 0));
                continue;
            }
            (_, Outcome::Granted { booked, queued }) => (booked, queued),
        };
        let got = |kind| booked.iter().filter(|(of, _)| *of == kind).map(|(_, n)| *n).sum::<i64>();
        let all: i64 = booked.iter().map(|(_, quantity)| quantity).sum();
        assert!(booked.iter().all(|(_, quantity)| *quantity > 0));
        match wish.fulfilment {
            AllOrNothing => assert!(all == requested && queued.is_empty()),
            Partial => assert!(all > 0 && all <= requested && queued.is_empty()),
            PartialAndWaitlist => {
                for (kind, wanted) in &wish.items {
                    let open = whole.open.get(&(wish.user, *kind)).and_then(|open| {
                        let served = done.promotions.iter().find(|promotion| promotion.waiting.entry == open.entry);
                        let left = open.quantity - served.map_or(0, |promotion| promotion.granted);
                        (left > 0).then_some((open.entry, left))
                    });
                    let missing = wanted - got(*kind);
                    let found = queued.iter().find(|queued| queued.kind == *kind);
                    let (entry, left) = open.map_or((None, 0), |(entry, left)| (Some(entry), left));
                    let expected = (missing > 0).then_some((entry, left + missing));
                    assert_eq!(found.map(|queued| (queued.grown, queued.quantity)), expected);
                }
            }
        }
        for queued in queued {
            assert_eq!(queued.line_no, last + 1);
            assert_eq!(Some(queued.quota), whole.kind(queued.kind).map(|kind| kind.quota));
            last = queued.line_no;
        }
    }
    assert_eq!(done.floor.line_tail, last);
}

#[test]
fn thousands_of_random_floors_stay_sound() {
    let chance = seeded("allocate");
    let (mut promoted, mut grown, mut refused, mut split) = (0, 0, 0, 0);
    for _ in 0..30_000 {
        let draw = Draw(&chance);
        let (whole, wishes) = random_case(&draw);
        let done = allocate(as_read(&whole), &wishes);
        check_places(&whole, &done);
        check_line(&whole, &done);
        check_wishes(&whole, &wishes, &done);
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

        // Together or one after the other, unless somebody left their place in the line: then who stands behind them is
        // served by the next transaction.
        let grows = done.outcomes.iter().any(
            |outcome| matches!(outcome, Outcome::Granted { queued, .. } if queued.iter().any(|q| q.grown.is_some())),
        );
        grown += usize::from(grows);
        if !grows && wishes.len() > 1 {
            split += 1;
            let (first, second) = wishes.split_at(draw.below(wishes.len() as i64) as usize);
            let early = allocate(as_read(&whole), first);
            let late = allocate(early.floor, second);
            assert!(late.promotions.is_empty());
            assert_eq!([early.outcomes, late.outcomes].concat(), done.outcomes);
            assert_eq!(late.floor, done.floor);
        }
    }
    // The draw reaches every corner.
    assert!(
        promoted > 5_000 && grown > 1_000 && refused > 5_000 && split > 5_000,
        "{promoted} {grown} {refused} {split}"
    );
}
