#![no_main]
#![allow(missing_docs, reason = "what is checked is told at jackfield_fuzz::manifest")]

libfuzzer_sys::fuzz_target!(
    init: jackfield_fuzz::seeds::write("manifest"),
    |input: &[u8]| jackfield_fuzz::manifest::check(input)
);
