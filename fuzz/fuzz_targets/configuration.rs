#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| claviger::config::fuzz::configuration(data));
