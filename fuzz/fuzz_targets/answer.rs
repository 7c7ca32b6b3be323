//! A target of libFuzzer, implemented in `chinwag::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chinwag::fuzz::run("answer", bytes));
