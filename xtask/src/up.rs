use anyhow::Result;
pub(crate) fn run(_o: &crate::args::UpOptions) -> Result<bool> { Ok(true) }
