//! An operation of one plugin, found and proved to be what it is taken for.
//!
//! Calls put bytes into a guest's memory as an operation's shapes say. So before the first call the shapes are held against
//! the component's own types, once; nobody else makes a [`Callable`].

use std::sync::Arc;

use jackfield_reflect::{Operation, Shape};
use wasmtime::component::{
    ComponentExportIndex,
    types::{ComponentFunc, Type},
};

use crate::{CallError, Plugin};

/// An operation that a plugin exports, with exactly these types.
#[derive(Clone)]
pub struct Callable {
    pub(crate) operation: Arc<Operation>,
    pub(crate) index: ComponentExportIndex,
}

impl Callable {
    /// The operation.
    pub fn operation(&self) -> &Arc<Operation> {
        &self.operation
    }
}

impl Plugin {
    /// Finds an operation. Fails where the plugin does not export it, or in another form.
    pub fn callable(&self, operation: &Arc<Operation>) -> Result<Callable, CallError> {
        let name = || format!("{}#{}", operation.interface, operation.name);
        let function =
            self.function(&operation.interface, &operation.name).ok_or_else(|| CallError::NoSuchExport(name()))?;
        if !fits(operation, &function.ty) {
            return Err(CallError::Internal(format!(
                "the plugin exports `{}` with other types than its WIT says",
                name()
            )));
        }
        Ok(Callable { operation: operation.clone(), index: function.index })
    }
}

fn fits(operation: &Operation, ty: &ComponentFunc) -> bool {
    let params = ty.params();
    let results = ty.results();
    !ty.async_()
        && params.len() == operation.params.len()
        && operation.params.iter().zip(params).all(|(param, (_, ty))| is(&param.shape, &ty))
        && results.len() == usize::from(operation.result().is_some())
        && operation.result().into_iter().zip(results).all(|(shape, ty)| is(shape, &ty))
}

/// Whether a shape is of a component's type, to the last name.
fn is(shape: &Shape, ty: &Type) -> bool {
    let option = |shape: Option<&Shape>, ty: Option<Type>| match (shape, ty) {
        (Some(shape), Some(ty)) => is(shape, &ty),
        (None, None) => true,
        _ => false,
    };
    match (shape, ty) {
        (Shape::Bool, Type::Bool)
        | (Shape::U8, Type::U8)
        | (Shape::U16, Type::U16)
        | (Shape::U32, Type::U32)
        | (Shape::U64, Type::U64)
        | (Shape::S8, Type::S8)
        | (Shape::S16, Type::S16)
        | (Shape::S32, Type::S32)
        | (Shape::S64, Type::S64)
        | (Shape::F32, Type::Float32)
        | (Shape::F64, Type::Float64)
        | (Shape::Char, Type::Char)
        | (Shape::String, Type::String) => true,
        (Shape::Bytes, Type::List(list)) => matches!(list.ty(), Type::U8),
        (Shape::List(item), Type::List(list)) => is(item, &list.ty()),
        (Shape::FixedList(item, n), Type::FixedLengthList(list)) => {
            usize::try_from(list.len()).is_ok_and(|size| size == *n) && is(item, &list.ty())
        }
        (Shape::Map(key, value), Type::Map(map)) => is(key, &map.key()) && is(value, &map.value()),
        (Shape::Tuple(tuple), Type::Tuple(ty)) => {
            tuple.items.len() == ty.types().len() && tuple.items.iter().zip(ty.types()).all(|(s, t)| is(s, &t))
        }
        (Shape::Option(inner), Type::Option(ty)) => is(inner, &ty.ty()),
        (Shape::Result(ok, error), Type::Result(ty)) => {
            option(ok.as_deref(), ty.ok()) && option(error.as_deref(), ty.err())
        }
        (Shape::Record(record), Type::Record(ty)) => {
            record.fields.len() == ty.fields().len()
                && record.fields.iter().zip(ty.fields()).all(|(f, t)| f.name == t.name && is(&f.shape, &t.ty))
        }
        (Shape::Variant(variant), Type::Variant(ty)) => {
            variant.cases.len() == ty.cases().len()
                && variant.cases.iter().zip(ty.cases()).all(|(c, t)| c.name == t.name && option(c.shape.as_ref(), t.ty))
        }
        (Shape::Enum(names), Type::Enum(ty)) => names.members.iter().map(|(name, _)| name.as_str()).eq(ty.names()),
        (Shape::Flags(names), Type::Flags(ty)) => names.members.iter().map(|(name, _)| name.as_str()).eq(ty.names()),
        _ => false,
    }
}

impl std::fmt::Debug for Callable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Callable").field(&self.operation.action()).finish()
    }
}
