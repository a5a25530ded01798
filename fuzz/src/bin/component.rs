#![no_main]
#![allow(missing_docs, reason = "what is checked is told at jackfield_fuzz::component")]

libfuzzer_sys::fuzz_target!(
    init: jackfield_fuzz::seeds::write("component"),
    |input: &[u8]| jackfield_fuzz::component::check(input)
);
