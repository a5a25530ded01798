use anyhow::Result;
pub(crate) fn run(_filter: &[String]) -> Result<bool> { Ok(true) }
