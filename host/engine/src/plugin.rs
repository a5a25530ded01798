//! A component that is compiled, linked and ready to be instantiated.

use std::sync::Arc;

use wasmtime::component::{
    ComponentExportIndex, InstancePre,
    types::{ComponentFunc, ComponentItem},
};

use crate::{
    Engine, EngineError, GuestState,
    bindings::{PluginIndices, issuer::IssuesIndices},
};

/// A plugin's code. Integrations of the same plugin share it.
pub struct Plugin {
    pub(crate) engine: Arc<Engine>,
    pub(crate) pre: InstancePre<GuestState>,
    pub(crate) lifecycle: PluginIndices,
    /// Of those that issue credentials.
    pub(crate) issuer: Option<IssuesIndices>,
    /// The exported functions: interface, then function.
    functions: Vec<(String, Vec<(String, Function)>)>,
}

/// An exported function: where it is, and what it takes and returns.
pub(crate) struct Function {
    pub(crate) index: ComponentExportIndex,
    pub(crate) ty: ComponentFunc,
}

impl Plugin {
    pub(crate) fn new(engine: Arc<Engine>, pre: InstancePre<GuestState>) -> Result<Self, EngineError> {
        let lifecycle = PluginIndices::new(&pre).map_err(|e| EngineError::Link(format!("{e:#}")))?;
        // That it has what the world asks for, if it has any of it, was seen when it was installed.
        let issuer = IssuesIndices::new(&pre).ok();
        let component = pre.component();
        let mut functions = Vec::new();
        for (name, item) in component.component_type().exports(&engine.wasmtime) {
            let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
            let Some(index) = component.get_export_index(None, name) else { continue };
            let exports = interface
                .exports(&engine.wasmtime)
                .filter_map(|(function, item)| {
                    let ComponentItem::ComponentFunc(ty) = item.ty else { return None };
                    let index = component.get_export_index(Some(&index), function)?;
                    Some((function.to_owned(), Function { index, ty }))
                })
                .collect();
            functions.push((name.to_owned(), exports));
        }
        Ok(Self { engine, pre, lifecycle, issuer, functions })
    }

    /// Whether it issues credentials.
    pub fn issues_credentials(&self) -> bool {
        self.issuer.is_some()
    }

    pub(crate) fn function(&self, interface: &str, name: &str) -> Option<&Function> {
        let (_, functions) = self.functions.iter().find(|(known, _)| known == interface)?;
        functions.iter().find(|(known, _)| known == name).map(|(_, function)| function)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("interfaces", &self.functions.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
