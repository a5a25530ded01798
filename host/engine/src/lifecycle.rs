//! The types and calls of `jackfield:plugin/lifecycle`, which every plugin exports.

use std::{pin::Pin, sync::Arc};

use wasmtime::Store;

pub use crate::bindings::exports::jackfield::plugin::lifecycle::{Description, Health, HealthStatus};
use crate::{
    CallContext, CallError, Guest, GuestState, Pool,
    bindings::exports::jackfield::plugin::lifecycle::Guest as Lifecycle, pool::Place,
};

type Answer<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

impl Pool {
    /// Calls one function of the lifecycle, in the background if it takes long: a stranger wrote that too.
    async fn lifecycle<R, F>(self: &Arc<Self>, context: CallContext, call: F) -> Result<R, CallError>
    where
        R: Send + 'static,
        F: for<'a> FnOnce(&'a Lifecycle, &'a mut Store<GuestState>) -> Answer<'a, R> + Send + 'static,
    {
        let until = self.until(&context);
        let (place, meter) = Place::take(self.clone(), until, &context).await?;
        let times = meter.clone();
        let work = Box::pin(async move {
            place
                .with_guest(context, &times, async |guest: &mut Guest| {
                    let (store, plugin) =
                        guest.bindings(|store, instance| place.plugin.lifecycle.load(store, instance))?;
                    call(plugin.jackfield_plugin_lifecycle(), store).await
                })
                .await
        });
        self.movable(until, meter, false, work).await
    }

    /// What the plugin says of itself.
    pub async fn describe(self: &Arc<Self>, context: CallContext) -> Result<Description, CallError> {
        self.lifecycle(context, |plugin, store| Box::pin(plugin.call_describe(store))).await
    }

    /// Has the plugin judge a configuration.
    pub async fn validate_config(self: &Arc<Self>, context: CallContext, config: &str) -> Result<(), CallError> {
        let config = config.to_owned();
        self.lifecycle(context, move |plugin, store| {
            Box::pin(async move { plugin.call_validate_config(store, &config).await })
        })
        .await?
        .map_err(CallError::Guest)
    }

    /// Has the plugin ask its outside system how it is.
    pub async fn check_health(self: &Arc<Self>, context: CallContext) -> Result<Health, CallError> {
        self.lifecycle(context, |plugin, store| Box::pin(plugin.call_check_health(store)))
            .await?
            .map_err(CallError::Guest)
    }

    /// Has the plugin rewrite a configuration made for an older version of it.
    pub async fn migrate_config(
        self: &Arc<Self>,
        context: CallContext,
        from: &str,
        config: &str,
    ) -> Result<String, CallError> {
        let (from, config) = (from.to_owned(), config.to_owned());
        self.lifecycle(context, move |plugin, store| {
            Box::pin(async move { plugin.call_migrate_config(store, &from, &config).await })
        })
        .await?
        .map_err(CallError::Guest)
    }
}
