//! Variables of the environment that the host was started with. They never change.

use zeroize::Zeroizing;

use super::{AllowedSources, without_end};

/// The value of a variable, if the operator named it.
pub(super) fn read(sources: &AllowedSources, name: &String) -> Result<Zeroizing<Vec<u8>>, String> {
    if !sources.variables.contains(name) {
        return Err(format!(
            "the variable {name} is none that credentials may come from; name it with `--secrets-env`"
        ));
    }
    let value = std::env::var(name).map_err(|_| format!("the variable {name} is not set, or not UTF-8"))?;
    let mut value = Zeroizing::new(value.into_bytes());
    without_end(&mut value);
    Ok(value)
}
