//! What a transcript looks like, and that it holds still.
