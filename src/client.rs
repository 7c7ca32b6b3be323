//! The client: one library under every face.
