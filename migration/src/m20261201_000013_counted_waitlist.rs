//! Counted columns of inventories, so that availability and lists of events read figures instead of counting entries; the
//! terms a waitlist entry was made under; several open entries per customer and ticket type.
//! Not here: the rule behind `open`, which is `booking::allocate`.

crate::step!(
    "
-- Tickets that newcomers can book: free ones that no entry in turn is served with first. Written by each commit that
-- changes occupancy, from the function that decides; when the event can be booked is not part of it.
ALTER TABLE quota ADD COLUMN open @int NOT NULL DEFAULT 0 CHECK (open >= 0);
-- Tickets that open waitlist entries still want.
ALTER TABLE quota ADD COLUMN waiting @int NOT NULL DEFAULT 0 CHECK (waiting >= 0);
-- Rises when day, venue or price of a published event change: entries made before ask their customers first.
ALTER TABLE stock ADD COLUMN terms @int NOT NULL DEFAULT 0;
-- The value of stock.terms its customer agreed to; -1: set aside until tickets the customer gave back are sold. The entry
-- is in turn while both are equal.
ALTER TABLE waitlist_entry ADD COLUMN terms @int NOT NULL DEFAULT 0;
-- Tickets the order behind the entry asked for, booked ones included: a repetition of the order is recognised by it.
ALTER TABLE waitlist_entry ADD COLUMN asked @int NOT NULL DEFAULT 0;

-- More tickets are waited for by an entry of their own, behind the others, so a customer may have several.
DROP INDEX waitlist_open;
CREATE INDEX waitlist_open ON waitlist_entry (user_id, event_id) WHERE status = 'WAITING';

-- The entries in turn, front first.
CREATE INDEX waitlist_front ON waitlist_entry (quota_id, terms, position_key) WHERE status = 'WAITING';

-- Quotas with a waitlist, for ending those of events that have begun.
CREATE INDEX quota_waiting ON quota (event_id) WHERE waiting > 0;

UPDATE waitlist_entry SET asked = quantity + granted;
UPDATE quota SET waiting = CAST((SELECT COALESCE(SUM(w.quantity), 0) FROM waitlist_entry w
                                 WHERE w.quota_id = quota.id AND w.status = 'WAITING') AS bigint);
UPDATE quota SET open = capacity - sold - held WHERE NOT EXISTS
    (SELECT 1 FROM waitlist_entry w WHERE w.quota_id = quota.id AND w.status = 'WAITING'
     AND (w.accepts_part = 1 OR w.quantity <= quota.capacity));
",
    "
DROP INDEX quota_waiting;
DROP INDEX waitlist_front;
DROP INDEX waitlist_open;
UPDATE waitlist_entry SET quantity = CAST((SELECT SUM(w.quantity) FROM waitlist_entry w WHERE w.user_id = waitlist_entry.user_id
    AND w.ticket_type_id = waitlist_entry.ticket_type_id AND w.status = 'WAITING') AS bigint)
    WHERE status = 'WAITING' AND NOT EXISTS
    (SELECT 1 FROM waitlist_entry w WHERE w.user_id = waitlist_entry.user_id AND w.status = 'WAITING'
     AND w.ticket_type_id = waitlist_entry.ticket_type_id AND w.position_key < waitlist_entry.position_key);
UPDATE waitlist_entry SET status = 'LEFT' WHERE status = 'WAITING' AND EXISTS
    (SELECT 1 FROM waitlist_entry w WHERE w.user_id = waitlist_entry.user_id AND w.status = 'WAITING'
     AND w.ticket_type_id = waitlist_entry.ticket_type_id AND w.position_key < waitlist_entry.position_key);
CREATE UNIQUE INDEX waitlist_open ON waitlist_entry (user_id, ticket_type_id) WHERE status = 'WAITING';
ALTER TABLE waitlist_entry DROP COLUMN asked;
ALTER TABLE waitlist_entry DROP COLUMN terms;
ALTER TABLE stock DROP COLUMN terms;
ALTER TABLE quota DROP COLUMN waiting;
ALTER TABLE quota DROP COLUMN open;
"
);
