#![no_main]
#![allow(missing_docs, reason = "what is checked is told at jackfield_fuzz::evidence")]

libfuzzer_sys::fuzz_target!(|input: &[u8]| jackfield_fuzz::evidence::check(input));
