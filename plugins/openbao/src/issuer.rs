//! Tokens, made for credentials that the host rotates. Each is renewed, asked for and revoked by its accessor, which is not secret and
//! is its handle.
//!
//! OpenBao makes another token each time it is asked, and tells nobody but root which there are. So that no token stays behind that
//! nobody knows of, whichever answer is lost:
//!
//! 1. A token is made with a life of a minute. If OpenBao's answer to that is lost, it is over by itself.
//! 2. Its accessor is noted in the plugin's state, with the key of the wish.
//! 3. Only then it is given its whole life. If the answer to the host is lost after that, the host asks again with the same key, and
//!    the token of the time before is revoked first.
//!
//! What is left: a token of a role that has a period lives for that period from the start, so one whose answer is lost does, too. And
//! where the credential is deleted while a wish is under way, nobody asks again, and the token lives for as long as `ttl` says.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::OpenBaoPlugin;
use crate::client::OpenBao;
use crate::credential_issuer::{Field, Issued, Wish};
use crate::parameters::{Parameters, TTL};
use crate::wire::{Authorized, Token};

/// How long a token lives of which nobody has heard, in seconds: longer than it takes to note it.
const FIRST_LIFE: u64 = 60;
/// Where the state has the newest token of each credential.
const MADE: &str = "made/";

/// The newest token of a credential.
#[derive(Serialize, Deserialize)]
struct Made {
    /// The key of the wish that it was made for.
    wish: String,
    accessor: String,
}

impl crate::CredentialIssuer for OpenBaoPlugin {
    fn issue(wish: Wish) -> Result<Issued> {
        let bao = OpenBao::open()?;
        let place = format!("{MADE}{}", wish.credential);
        // Before anything that may fail for another reason: an error then says that nothing is left.
        end_lost(&bao, &place, &wish.key).map_err(|error| Error {
            kind: ErrorKind::OutcomeUnknown,
            ..error.context("the token whose answer was lost could not be revoked")
        })?;
        let parameters = Parameters::of(&wish.parameters)?;
        let made = bao.create_token(&parameters.path(), &parameters.token(&wish, FIRST_LIFE)?)?;
        let accessor = made.auth.accessor.clone();
        match keep(&bao, &place, &wish.key, &parameters, &made) {
            Ok(lifetime) => {
                let fields = vec![Field { name: "token".into(), value: made.auth.client_token }];
                Ok(Issued { fields, handle: accessor, lifetime_s: Some(lifetime).filter(|seconds| *seconds > 0) })
            }
            Err(error) => Err(take_back(&bao, &accessor, error)),
        }
    }

    fn renew(handle: String) -> Result<Option<u64>> {
        let bao = OpenBao::open()?;
        let known = bao.look_up_token(&handle)?;
        let seconds = known.meta.as_ref().and_then(|meta| meta.get(TTL)).and_then(|seconds| seconds.parse().ok());
        // Without a number it would be renewed for the minute that it was made for.
        let seconds = seconds.ok_or_else(|| {
            Error::unsupported(format!(
                "the token `{handle}` was not made by this plugin: nothing says how long it is to live"
            ))
        })?;
        Ok(Some(bao.renew_token(&handle, seconds)?).filter(|seconds| *seconds > 0))
    }

    fn revoke(handle: String) -> Result<()> {
        end(&OpenBao::open()?, &handle)
    }

    fn verify(handle: String) -> Result<bool> {
        match OpenBao::open()?.look_up_token(&handle) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Revokes the token that was made for this very wish before, if one was.
fn end_lost(bao: &OpenBao, place: &str, wish: &str) -> Result<()> {
    match state::get_json::<Made>(place)? {
        Some((lost, _)) if lost.wish == wish => end(bao, &lost.accessor),
        _ => Ok(()),
    }
}

/// Revokes a token and forgets it.
fn end(bao: &OpenBao, accessor: &str) -> Result<()> {
    bao.revoke_token(accessor)?;
    for item in state::list_all(MADE)? {
        // Another may be noted there by now, which then stays.
        if state::from_json::<Made>(&item.key, &item.value)?.accessor == accessor {
            state::Batch::new().delete(item.key, state::Expect::Revision(item.revision)).try_commit()?;
        }
    }
    Ok(())
}

/// Sees that a token is one to keep, and gives it its whole life; returns for how many seconds.
fn keep(bao: &OpenBao, place: &str, wish: &str, parameters: &Parameters, made: &Authorized) -> Result<u64> {
    fit(made)?;
    let accessor = &made.auth.accessor;
    let note = Made { wish: wish.to_owned(), accessor: accessor.clone() };
    state::Batch::new().set_json(place, &note, state::Expect::Any)?.commit()?;
    bao.renew_token(accessor, parameters.seconds()?)
}

/// Whether a token can be used for what it was made for.
fn fit(made: &Authorized) -> Result<()> {
    let Token { accessor, renewable, .. } = &made.auth;
    if accessor.is_empty() {
        let message = "the role makes batch tokens, which cannot be taken back; let it make service tokens";
        return Err(Error::invalid("/parameters/role", message));
    }
    if !renewable {
        let message = "the role makes tokens that cannot be renewed; let it make renewable ones";
        return Err(Error::invalid("/parameters/role", message));
    }
    // OpenBao gives out such tokens, too, and only says so.
    match made.warnings.iter().flatten().find(|warning| warning.contains("does not exist")) {
        Some(warning) => Err(Error::invalid("/parameters/policies", format!("OpenBao says: {warning}"))),
        None => Ok(()),
    }
}

/// Revokes a token that is not to be. Where that fails nobody knows what is left, and the host asks again.
fn take_back(bao: &OpenBao, accessor: &str, error: Error) -> Error {
    if accessor.is_empty() {
        return error;
    }
    match end(bao, accessor) {
        Ok(()) => error,
        Err(left) => Error {
            kind: ErrorKind::OutcomeUnknown,
            message: format!("{}; and the token `{accessor}` could not be revoked: {}", error.message, left.message),
            ..error
        },
    }
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
