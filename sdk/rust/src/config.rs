//! The integration's configuration. It satisfies the manifest's schema already, so a plugin reads it into a type of its
//! own. Endpoint addresses are not in it: a plugin names an endpoint, the host knows where it is.

use serde::de::DeserializeOwned;

use crate::host;
use crate::types::{Error, Result};

/// The configuration as the plugin's own type.
///
/// ```
/// # use jackfield_sdk::testing;
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "kebab-case")]
/// struct Config { key_prefix: String }
///
/// # testing::set_config(r#"{"key-prefix": "/services"}"#);
/// let config: Config = jackfield_sdk::config::get()?;
/// assert_eq!(config.key_prefix, "/services");
/// # Ok::<(), jackfield_sdk::Error>(())
/// ```
pub fn get<T: DeserializeOwned>() -> Result<T> {
    parse(&host::config_get())
}

/// As [`get`], for a configuration that is at hand as JSON text, such as that which `validate_config` is given.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|e| Error::invalid("", format!("the configuration is not what the plugin expects: {e}")))
}
