//! From `wit-parser`'s arena of ids to [`Shape`]s that stand alone.
//!
//! Types are lowered once each and shared, so a type that is used a thousand times costs one. But whoever walks a shape
//! walks a shared branch each time: sixty lines of `type a = tuple<b, b>` are a walk without end. So both the depth and
//! the size of the walk are bounded here, and everything that later walks a shape may recurse without a check of its own.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use wit_parser::{Docs, FunctionKind, Handle, PackageId, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner};

use crate::{
    ReflectError,
    model::{Function, Interface, Package},
    operation::Param,
    shape::{Case, Field, Names, Record, Shape, Tuple, TypeName, Variant},
    stability::Stability,
};

/// Deeper types than this are refused. Real interfaces stay below ten; wasmtime's own parser allows 100.
const MAX_DEPTH: usize = 64;
/// As far the walk goes before the depth is known: an alias of an alias is no level of the type, but one of the walk.
const MAX_INSIDE: usize = 4 * MAX_DEPTH;
/// Types of more parts than this are refused, parts counted as often as they are used. The largest real ones, Kubernetes'
/// pod templates, have some thousands.
const MAX_PARTS: usize = 100_000;
/// The most bytes that one value may take in a guest's memory, without the lists and texts it refers to.
const MAX_SIZE: usize = 1 << 20;
/// The most parts of all parameters and results together.
const MAX_TOTAL: usize = 2_000_000;
/// The most functions of all interfaces together. They are looked for by name, one after another; the largest real plugins
/// have some hundred.
const MAX_FUNCTIONS: usize = 2_000;

/// What it costs to walk a shape.
#[derive(Clone, Copy)]
struct Extent {
    depth: usize,
    parts: usize,
}

impl Extent {
    const LEAF: Self = Self { depth: 1, parts: 1 };
    const NOTHING: Self = Self { depth: 0, parts: 0 };

    fn add(&mut self, part: Self) {
        self.depth = self.depth.max(part.depth);
        self.parts = self.parts.saturating_add(part.parts);
    }
}

pub(crate) struct Lowering<'a> {
    resolve: &'a Resolve,
    done: HashMap<TypeId, (Shape, Extent)>,
    /// How many types, aliases among them, the one that is being lowered is inside of.
    inside: usize,
    /// The parts of all parameters and results so far.
    total: usize,
    /// The functions so far.
    functions: usize,
}

impl<'a> Lowering<'a> {
    pub(crate) fn new(resolve: &'a Resolve) -> Self {
        Self { resolve, done: HashMap::new(), inside: 0, total: 0, functions: 0 }
    }

    pub(crate) fn package(&mut self, id: wit_parser::PackageId) -> Result<Package, ReflectError> {
        let package = &self.resolve.packages[id];
        let Some(version) = package.name.version.clone() else {
            return Err(ReflectError::Wit(format!(
                "package `{}` has no version; write `package {}@0.1.0;`",
                package.name, package.name
            )));
        };
        let id =
            crate::CapabilityId { namespace: package.name.namespace.clone(), name: package.name.name.clone(), version };
        let interfaces = package
            .interfaces
            .iter()
            .map(|(name, interface)| {
                self.interface(*interface, crate::InterfaceId { package: id.clone(), name: name.clone() }.to_string())
            })
            .collect::<Result<_, _>>()?;
        Ok(Package { id, docs: docs(&package.docs), interfaces })
    }

    pub(crate) fn interface(&mut self, id: wit_parser::InterfaceId, name: String) -> Result<Interface, ReflectError> {
        let interface = &self.resolve.interfaces[id];
        self.functions = self.functions.saturating_add(interface.functions.len());
        if self.functions > MAX_FUNCTIONS {
            return Err(ReflectError::TooMany { limit: MAX_FUNCTIONS });
        }
        let functions =
            interface.functions.values().map(|f| self.function(f, interface.package)).collect::<Result<_, _>>()?;
        let stability = Stability::of(&interface.stability, self.version(interface.package));
        Ok(Interface { id: name, docs: docs(&interface.docs), stability, functions })
    }

    fn function(
        &mut self,
        function: &wit_parser::Function,
        package: Option<PackageId>,
    ) -> Result<Function, ReflectError> {
        let params = function
            .params
            .iter()
            .map(|param| {
                let shape = self.shape(&param.ty)?;
                let (docs, stability) = self.of_alias(&param.ty);
                Ok(Param { name: param.name.clone(), docs, stability, shape })
            })
            .collect::<Result<_, ReflectError>>()?;
        let result = function.result.as_ref().map(|ty| self.shape(ty)).transpose()?;
        Ok(Function {
            name: function.name.clone(),
            docs: docs(&function.docs),
            stability: Stability::of(&function.stability, self.version(package)),
            freestanding: matches!(function.kind, FunctionKind::Freestanding),
            params,
            result,
        })
    }

    /// The shape of a parameter or a result.
    fn shape(&mut self, ty: &Type) -> Result<Shape, ReflectError> {
        let (shape, extent) = self.measured(ty)?;
        self.total = self.total.saturating_add(extent.parts);
        if self.total > MAX_TOTAL {
            return Err(ReflectError::TooLarge { name: "all parameters and results".into(), limit: MAX_TOTAL });
        }
        Ok(shape)
    }

    fn shared(&mut self, ty: &Type, extent: &mut Extent) -> Result<Arc<Shape>, ReflectError> {
        Ok(Arc::new(self.inner(ty, extent)?))
    }

    /// Lowers a part and adds what it costs to `extent`.
    fn inner(&mut self, ty: &Type, extent: &mut Extent) -> Result<Shape, ReflectError> {
        let (shape, inner) = self.measured(ty)?;
        extent.add(inner);
        Ok(shape)
    }

    fn measured(&mut self, ty: &Type) -> Result<(Shape, Extent), ReflectError> {
        let shape = match ty {
            Type::Bool => Shape::Bool,
            Type::U8 => Shape::U8,
            Type::U16 => Shape::U16,
            Type::U32 => Shape::U32,
            Type::U64 => Shape::U64,
            Type::S8 => Shape::S8,
            Type::S16 => Shape::S16,
            Type::S32 => Shape::S32,
            Type::S64 => Shape::S64,
            Type::F32 => Shape::F32,
            Type::F64 => Shape::F64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::ErrorContext => Shape::Handle("error-context".into()),
            Type::Id(id) => {
                if let Some(done) = self.done.get(id) {
                    return Ok(done.clone());
                }
                // Before the way down, for the way down is on the stack.
                if self.inside > MAX_INSIDE {
                    return Err(ReflectError::TooDeep { name: self.name(*id).name, limit: MAX_DEPTH });
                }
                self.inside += 1;
                let lowered = self.definition(*id)?;
                self.inside -= 1;
                self.done.insert(*id, lowered.clone());
                return Ok(lowered);
            }
        };
        Ok((shape, Extent::LEAF))
    }

    fn definition(&mut self, id: TypeId) -> Result<(Shape, Extent), ReflectError> {
        let def = &self.resolve.types[id];
        let mut extent = Extent::NOTHING;
        let shape = match &def.kind {
            TypeDefKind::Type(ty) => return self.measured(ty),
            TypeDefKind::List(Type::U8) => Shape::Bytes,
            TypeDefKind::List(item) => Shape::List(self.shared(item, &mut extent)?),
            TypeDefKind::FixedLengthList(item, n) => {
                Shape::FixedList(self.shared(item, &mut extent)?, usize::try_from(*n).unwrap_or(usize::MAX))
            }
            TypeDefKind::Map(key, value) => {
                Shape::Map(self.shared(key, &mut extent)?, self.shared(value, &mut extent)?)
            }
            TypeDefKind::Tuple(tuple) => {
                let items = tuple.types.iter().map(|ty| self.inner(ty, &mut extent)).collect::<Result<_, _>>()?;
                Shape::Tuple(Arc::new(Tuple::new(items)))
            }
            TypeDefKind::Option(inner) => Shape::Option(self.shared(inner, &mut extent)?),
            TypeDefKind::Result(result) => Shape::Result(
                result.ok.as_ref().map(|ty| self.shared(ty, &mut extent)).transpose()?,
                result.err.as_ref().map(|ty| self.shared(ty, &mut extent)).transpose()?,
            ),
            TypeDefKind::Record(record) => {
                differ(&format!("record `{}`", self.name(id).name), record.fields.iter().map(|f| &f.name))?;
                let fields = record
                    .fields
                    .iter()
                    .map(|f| {
                        let shape = self.inner(&f.ty, &mut extent)?;
                        let own = docs(&f.docs);
                        let (alias, stability) = self.of_alias(&f.ty);
                        let docs = if own.is_empty() { alias } else { own };
                        Ok(Field { name: f.name.clone(), docs, stability, shape })
                    })
                    .collect::<Result<_, ReflectError>>()?;
                Shape::Record(Arc::new(Record::new(self.name(id), fields)))
            }
            TypeDefKind::Variant(variant) => {
                differ(&format!("variant `{}`", self.name(id).name), variant.cases.iter().map(|c| &c.name))?;
                let cases = variant
                    .cases
                    .iter()
                    .map(|c| {
                        let shape = c.ty.as_ref().map(|ty| self.inner(ty, &mut extent)).transpose()?;
                        Ok(Case { name: c.name.clone(), docs: docs(&c.docs), shape })
                    })
                    .collect::<Result<_, ReflectError>>()?;
                Shape::Variant(Arc::new(Variant::new(self.name(id), cases)))
            }
            TypeDefKind::Enum(def) => {
                differ(&format!("enum `{}`", self.name(id).name), def.cases.iter().map(|c| &c.name))?;
                extent.parts = def.cases.len();
                let members = def.cases.iter().map(|c| (c.name.clone(), docs(&c.docs))).collect();
                Shape::Enum(Arc::new(Names { name: self.name(id), members }))
            }
            TypeDefKind::Flags(def) => {
                differ(&format!("flags `{}`", self.name(id).name), def.flags.iter().map(|f| &f.name))?;
                extent.parts = def.flags.len();
                let members = def.flags.iter().map(|f| (f.name.clone(), docs(&f.docs))).collect();
                Shape::Flags(Arc::new(Names { name: self.name(id), members }))
            }
            TypeDefKind::Resource => Shape::Handle(format!("resource `{}`", self.name(id).name).into()),
            TypeDefKind::Handle(Handle::Own(resource)) => {
                Shape::Handle(format!("resource `{}`", self.name(*resource).name).into())
            }
            TypeDefKind::Handle(Handle::Borrow(resource)) => {
                Shape::Handle(format!("borrowed resource `{}`", self.name(*resource).name).into())
            }
            TypeDefKind::Future(_) => Shape::Handle("future".into()),
            TypeDefKind::Stream(_) => Shape::Handle("stream".into()),
            TypeDefKind::Unknown => return Err(ReflectError::Wit("a type of unknown structure".into())),
        };
        if extent.depth >= MAX_DEPTH {
            return Err(ReflectError::TooDeep { name: self.name(id).name, limit: MAX_DEPTH });
        }
        if extent.parts >= MAX_PARTS {
            return Err(ReflectError::TooLarge { name: format!("type `{}`", self.name(id).name), limit: MAX_PARTS });
        }
        if shape.layout().size > MAX_SIZE {
            return Err(ReflectError::TooWide { name: self.name(id).name, limit: MAX_SIZE });
        }
        Ok((shape, Extent { depth: extent.depth + 1, parts: extent.parts + 1 }))
    }

    /// The doc comment of the nearest alias that has one, and what the aliases say of their age; nothing where a type has a
    /// name, and docs, of its own.
    fn of_alias(&self, ty: &Type) -> (String, Stability) {
        let (mut found, mut stability) = (String::new(), Stability::default());
        let mut ty = ty;
        while let Type::Id(id) = ty
            && let TypeDefKind::Type(inner) = &self.resolve.types[*id].kind
        {
            let alias = &self.resolve.types[*id];
            if found.is_empty() {
                found = docs(&alias.docs);
            }
            stability = self.stability(alias).of_part(&stability);
            ty = inner;
        }
        (found, stability)
    }

    fn stability(&self, def: &TypeDef) -> Stability {
        let package = match def.owner {
            TypeOwner::Interface(interface) => self.resolve.interfaces[interface].package,
            _ => None,
        };
        Stability::of(&def.stability, self.version(package))
    }

    /// The version of a package.
    fn version(&self, package: Option<PackageId>) -> Option<&'a semver::Version> {
        self.resolve.packages[package?].name.version.as_ref()
    }

    /// The name where the type was defined, behind all `use`s.
    fn name(&self, mut id: TypeId) -> TypeName {
        while let TypeDefKind::Type(Type::Id(next)) = self.resolve.types[id].kind {
            id = next;
        }
        let def = &self.resolve.types[id];
        let interface = match def.owner {
            TypeOwner::Interface(interface) => self.resolve.id_of(interface).unwrap_or_default(),
            _ => String::new(),
        };
        let name = def.name.clone().unwrap_or_else(|| "unnamed".into());
        TypeName { interface, name, docs: docs(&def.docs), stability: self.stability(def) }
    }
}

/// Refuses a name that stands twice in one thing. A component's own type cannot have one, but the WIT beside it is only text,
/// and everything that compares or reads by name would find the first of the two and never the second.
fn differ<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<(), ReflectError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ReflectError::Wit(format!(
                "`{name}` stands twice in the {what}; give one of them another name"
            )));
        }
    }
    Ok(())
}

fn docs(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}
