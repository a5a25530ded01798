//! Values that are kept, and who still uses them.

use std::{fmt, sync::Arc};

use crate::{Material, source::Granted};

/// A lease: what it is called here, and as it was granted.
pub(super) type Lease = (String, Granted);

/// A value.
pub(crate) struct Value {
    pub(super) fields: Material,
    /// Another value, another number.
    pub(super) generation: u64,
    pub(super) lease: Option<Lease>,
}

impl Value {
    /// Whether these are the same.
    pub(super) fn is(&self, fields: &Material) -> bool {
        self.lease.is_none() && self.fields.sealable() == fields.sealable()
    }
}

/// A value that somebody uses: it is not given back before this is dropped.
#[derive(Clone)]
pub(crate) struct Held(Arc<Value>);

impl Held {
    pub(super) fn of(value: Arc<Value>) -> Self {
        Self(value)
    }

    /// A value of nobody's.
    #[cfg(test)]
    pub(crate) fn new(fields: Material, generation: u64) -> Self {
        Self(Arc::new(Value { fields, generation, lease: None }))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.0.generation
    }

    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        self.0.fields.get(name)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.0.generation)
    }
}
