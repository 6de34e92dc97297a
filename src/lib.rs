//! Boxoffice sells places at events over GraphQL and tells everyone concerned, live and durably.
//!
//! This is the map, in reading order; `ARCHITECTURE.md` walks one booking through it.
//!
//! ```text
//! client ──HTTP / WebSocket──► http ──► graphql (who, what) ──► a slice's verb: one write, its last statement appends domain events
//!                                                                  │ commit
//!  subscription ◄── bus ◄── relay: numbers domain events ──► reactions ──► notices, jobs ──► worker: log line, further channels
//! ```
//!
//! A group uses itself and the groups above it in this file, never one below; the order inside a group stands in
//! `tests/it/architecture.rs`, which holds both.
#![warn(missing_docs)]

// The shared vocabulary.
pub mod clock;
pub mod domain_event;
#[expect(missing_docs, reason = "columns are explained in their migration")]
pub mod entity;
pub mod id;
pub mod money;
pub mod status;
pub mod text;
pub mod zone;

// The database, and who may do what.
pub mod access;
pub mod ctx;
pub mod db;
pub mod engine;
pub mod page;

// What happens around a commit.
pub mod bus;
pub mod idempotency;
pub mod outbox;
pub mod queue;
pub mod relay;

// The slices: folders are nouns, files are verbs.
pub mod account;
pub mod booking;
pub mod event;

// What follows.
pub mod notification;
pub mod reactions;

// The edge.
pub mod app;
pub mod cli;
pub mod demo;
pub mod graphql;
pub mod http;
pub mod retention;
