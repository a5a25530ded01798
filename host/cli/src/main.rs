//! The `jackfield` program.
fn main() {}
