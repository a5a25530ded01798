#![no_main]
#![allow(missing_docs, reason = "what is checked is told at jackfield_fuzz::index")]

libfuzzer_sys::fuzz_target!(
    init: jackfield_fuzz::seeds::write("index"),
    |input: &[u8]| jackfield_fuzz::index::check(input)
);
