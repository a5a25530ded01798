//! Writes the inputs that are made from what there is to the folder that is named, one folder in it a target.

use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_default());
    for seed in jackfield_fuzz::seeds::seeds() {
        let folder = folder.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(seed.name), seed.input)?;
    }
    Ok(())
}
