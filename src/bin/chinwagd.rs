//! The hub.

fn main() {}
