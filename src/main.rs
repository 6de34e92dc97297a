//! The program; so far it only proves that everything links.
//! Not here: anything yet.

fn main() {}
