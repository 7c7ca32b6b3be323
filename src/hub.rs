//! The hub: presence and rooms for everybody who meets there.
