//! The types and calls of `jackfield:plugin/credential-issuer`, which plugins export that make credentials of their outside
//! system.

use std::{pin::Pin, sync::Arc};

use wasmtime::Store;

pub use crate::bindings::issuer::exports::jackfield::plugin::credential_issuer::{Field, Issued, Wish};
use crate::{
    CallContext, CallError, Guest, GuestState, Pool,
    bindings::issuer::exports::jackfield::plugin::credential_issuer::Guest as Issuer, pool::Place, types,
};

type Answer<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<Result<R, types::Error>>> + Send + 'a>>;

impl Pool {
    /// Calls one function of the issuer, in the background if it takes long.
    async fn issuer<R, F>(self: &Arc<Self>, context: CallContext, call: F) -> Result<R, CallError>
    where
        R: Send + 'static,
        F: for<'a> FnOnce(&'a Issuer, &'a mut Store<GuestState>) -> Answer<'a, R> + Send + 'static,
    {
        let until = self.until(&context);
        let (place, meter) = Place::take(self.clone(), until, &context).await?;
        let times = meter.clone();
        let work = Box::pin(async move {
            place
                .with_guest(context, &times, async |guest: &mut Guest| {
                    let (store, plugin) = guest.bindings(|store, instance| match &place.plugin.issuer {
                        Some(issuer) => issuer.load(store, instance),
                        None => Err(wasmtime::Error::msg("the plugin issues no credentials")),
                    })?;
                    call(plugin.jackfield_plugin_credential_issuer(), store).await
                })
                .await
        });
        self.movable(until, meter, false, work).await?.map_err(CallError::Guest)
    }

    /// Has the plugin make a credential.
    pub async fn issue(self: &Arc<Self>, context: CallContext, wish: Wish) -> Result<Issued, CallError> {
        self.issuer(context, move |plugin, store| Box::pin(async move { plugin.call_issue(store, &wish).await })).await
    }

    /// Has the plugin let a credential live longer; for how many seconds from now, if not for ever.
    pub async fn renew(self: &Arc<Self>, context: CallContext, handle: &str) -> Result<Option<u64>, CallError> {
        let handle = handle.to_owned();
        self.issuer(context, move |plugin, store| Box::pin(async move { plugin.call_renew(store, &handle).await }))
            .await
    }

    /// Has the plugin take a credential back.
    pub async fn revoke(self: &Arc<Self>, context: CallContext, handle: &str) -> Result<(), CallError> {
        let handle = handle.to_owned();
        self.issuer(context, move |plugin, store| Box::pin(async move { plugin.call_revoke(store, &handle).await }))
            .await
    }

    /// Asks the plugin whether a credential is still there.
    pub async fn verify(self: &Arc<Self>, context: CallContext, handle: &str) -> Result<bool, CallError> {
        let handle = handle.to_owned();
        self.issuer(context, move |plugin, store| Box::pin(async move { plugin.call_verify(store, &handle).await }))
            .await
    }
}
