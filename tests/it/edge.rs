//! The edge: limits of documents, HTTP, the socket, the shape of answers.
//! Not here: real clients and the specification's audits (`tests/clients`).

mod assets;
mod batch;
mod cost;
mod document;
mod faults;
mod foreign;
mod frames;
mod http;
mod inputs;
mod limits;
mod merge;
mod pages;
mod record;
mod renewal;
mod shape;
mod socket;
mod stand;
mod stream;
mod tolerant;
mod trusted;
