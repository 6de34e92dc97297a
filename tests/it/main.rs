//! The test binary: tests with actors, the conventions of the code base, and negative controls of both.
//! Not here: clients in other languages (`tests/clients`) and speed (`benches`).
//!
//! A test that touches the database runs on both: `booking::books_places::sqlite` and `…::postgres`. PostgreSQL is the
//! server that `scripts/with-postgres` starts; without it libtest lists each of those tests as ignored.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
mod harness;

mod access;
mod account;
mod allocate;
mod architecture;
mod audit;
mod batcher;
mod binary;
mod booking;
mod consumers;
mod demo;
mod edge;
mod event;
mod in_turn;
mod inventory;
mod kill;
mod language;
mod live;
mod migration;
mod newer;
mod notification;
mod pages;
mod plans;
mod queue;
mod race;
mod reactions;
mod readme;
mod retention;
mod schema;
mod seed;
mod several;
mod storage;
mod unclear;
mod units;
mod waitlist;
mod write_queue;
