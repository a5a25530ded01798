#![no_main]
#![allow(missing_docs, reason = "what is checked is told at jackfield_fuzz::wit")]

libfuzzer_sys::fuzz_target!(
    init: jackfield_fuzz::seeds::write("wit"),
    |input: &[u8]| jackfield_fuzz::wit::check(input)
);
