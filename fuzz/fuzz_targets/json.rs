#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| claviger_http::base::fuzz::json(data));
