#![no_main]
#![allow(missing_docs, reason = "what is checked is told at jackfield_fuzz::lock")]

libfuzzer_sys::fuzz_target!(
    init: jackfield_fuzz::seeds::write("lock"),
    |input: &[u8]| jackfield_fuzz::lock::check(input)
);
