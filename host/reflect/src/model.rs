//! WIT as the host sees it: packages, interfaces and functions, read from a WIT text or from a component's own type.

use wit_parser::{Resolve, UnresolvedPackageGroup, WorldItem, WorldKey, decoding::DecodedWasm};

use crate::{
    CapabilityId, ReflectError, lower::Lowering, operation::Param, outline, shape::Shape, stability::Stability,
};

/// A WIT package.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name and version.
    pub id: CapabilityId,
    /// Its doc comment.
    pub docs: String,
    /// Its interfaces, in WIT's order.
    pub interfaces: Vec<Interface>,
}

/// An interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its full name, e.g. `jackfield:key-value/locks@0.1.0`.
    pub id: String,
    /// Its doc comment; empty when read from a component, which carries none.
    pub docs: String,
    /// Its age; unknown when read from a component.
    pub stability: Stability,
    /// Its functions, in WIT's order.
    pub functions: Vec<Function>,
}

/// A function of an interface.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its doc comment; empty when read from a component.
    pub docs: String,
    /// Its own age; unknown when read from a component.
    pub stability: Stability,
    /// Whether it is a plain `func`: not `async`, not a resource's.
    pub freestanding: bool,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its result.
    pub result: Option<Shape>,
}

/// What a component imports and exports, as its own type says.
#[derive(Clone, Debug)]
pub struct ComponentInterfaces {
    /// What it needs.
    pub imports: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
}

/// Reads a WIT text of one or more packages, each as `package a:b@0.1.0 { … }` or one with `package a:b@0.1.0;`.
pub fn read_wit(text: &str) -> Result<Vec<Package>, ReflectError> {
    let mut resolve = Resolve::default();
    let group = UnresolvedPackageGroup::parse("plugin.wit", text).map_err(|(_, e)| ReflectError::Wit(e.to_string()))?;
    outline::check_text(&group)?;
    resolve.push_group(group).map_err(|e| ReflectError::Wit(e.to_string()))?;
    let mut lowering = Lowering::new(&resolve);
    resolve
        .packages
        .iter()
        .filter(|(_, package)| !package.interfaces.is_empty())
        .map(|(id, _)| lowering.package(id))
        .collect()
}

/// Reads what a component imports and exports.
pub fn read_component(bytes: &[u8]) -> Result<ComponentInterfaces, ReflectError> {
    let not = |reason: String| ReflectError::NotAComponent(reason);
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
            return Err(not("this is a core module; build it with --target wasm32-wasip2".into()));
        }
        Some([0, b'a', b's', b'm', ..]) => {}
        _ => return Err(not("it does not begin with WebAssembly's magic number".into())),
    }
    outline::check(bytes)?;
    let (resolve, world) = match wit_parser::decoding::decode(bytes).map_err(|e| not(format!("{e:#}")))? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => return Err(not("this is a WIT package without code".into())),
    };
    let mut lowering = Lowering::new(&resolve);
    let mut read = |items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
        items
            .iter()
            .filter_map(|(key, item)| match item {
                WorldItem::Interface { id, .. } => Some(lowering.interface(*id, resolve.name_world_key(key))),
                _ => None,
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let world = &resolve.worlds[world];
    Ok(ComponentInterfaces { imports: read(&world.imports)?, exports: read(&world.exports)? })
}
