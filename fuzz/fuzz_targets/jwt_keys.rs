//! libFuzzer's way into `chinwag::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chinwag::fuzz::run("jwt_keys", bytes));
