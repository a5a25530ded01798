//! Secrets that come to be while a plugin issues a credential. A plugin has names for them, never them: wherever a name stands in
//! the body of a request that is sent with [`send_taking`](crate::http::Request::send_taking), the host sends the secret, and
//! where the outside system makes one up, the host takes it out of the answer and leaves a name there. A name is good within
//! the call of a `CredentialIssuer` that it came to be in.
//!
//! ```ignore
//! fn issue(wish: Wish) -> Result<Issued> {
//!     let password = secrets::generate(32)?;
//!     let user = serde_json::json!({"name": "app-7", "password": password});
//!     http::post("api", "/v1/users").json(&user).send_taking(&[])?.error_for_status()?;
//!     let fields = vec![
//!         Field { name: "username".into(), value: "app-7".into() },
//!         Field { name: "password".into(), value: password },
//!     ];
//!     Ok(Issued { fields, handle: "app-7".into(), lifetime_s: None })
//! }
//! ```

use crate::{host, types::Result};

/// Has the host make a random secret of that many letters and digits, 16 to 256, and returns its name.
pub fn generate(length: u32) -> Result<String> {
    host::secrets_generate(length)
}
