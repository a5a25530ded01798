//! Operations: what a capability's functions are to everyone outside the sandbox.
//!
//! Whether an operation reads or writes is told from its signature alone: a write takes `write-options` last. So is
//! whether it is a change feed (`cursor` and `wait-ms` in, `changes` and `next` out) and whether it is paged. Nothing
//! else about a capability needs saying anywhere.

use std::sync::Arc;

use crate::{
    AnswerLimits, CapabilityId, EncodeError, Image, JsonError, JsonLimits, Memory, ReflectError,
    decode::decode_params,
    encode,
    flat::{Flat, MAX_FLAT_PARAMS},
    layout::{Layout, fields},
    model::{Function, Interface, Package},
    shape::Shape,
    stability::Stability,
};

/// Whether an operation can change the outside world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// It changes nothing: safe to repeat.
    Read,
    /// It may change something: its last parameter is `write-options`.
    Write,
}

impl OperationKind {
    /// `read` or `write`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The capacity with which an answer's text begins, in bytes: most stay within it.
const USUAL_ANSWER: usize = 512;

/// One operation of a capability.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name, e.g. `query-range`.
    pub name: String,
    /// The capability it belongs to.
    pub capability: CapabilityId,
    /// The interface it is in, as the component exports it, e.g. `jackfield:metrics/metrics@0.1.0`.
    pub interface: String,
    /// Whether it can change the outside world.
    pub kind: OperationKind,
    /// What it does.
    pub docs: String,
    /// Since when it is there, and since when it is not to be used any more: what is said of it, or else of its interface.
    pub stability: Stability,
    /// Its parameters, in order.
    pub params: Vec<Param>,
    /// The answer's shape; none where it answers nothing.
    pub ok: Option<Shape>,
    /// Whether the function returns `result<_, error>` (it always does in Jackfield's own capabilities) with this error.
    pub error: Option<Shape>,
    /// Whether the function's result is a `result` at all; if not, `ok` is what it returns.
    pub fallible: bool,
    /// Whether it is a change feed.
    pub feed: bool,
    /// Whether it takes a `page`.
    pub paged: bool,
    /// What the parameters take in memory, one after the other, and where each is.
    layout: (Layout, Vec<usize>),
    flat_len: usize,
    /// What the function returns: `ok` and `error` in one.
    result: Option<Shape>,
    /// It is returned by its address.
    result_in_memory: bool,
}

/// What an operation answered, as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its result; `null` where it has none.
    Ok(Vec<u8>),
    /// The error of its `result`.
    Error(Vec<u8>),
}

/// A parameter of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// The doc comment of its type's alias, e.g. of `type timestamp-ms = s64`: WIT has none for parameters themselves.
    pub docs: String,
    /// What is said of its type's alias: WIT has nothing to say it of a parameter itself.
    pub stability: Stability,
    /// Its shape.
    pub shape: Shape,
}

impl Operation {
    pub(crate) fn new(capability: &CapabilityId, of: &Interface, function: &Function) -> Result<Self, ReflectError> {
        let unservable =
            |reason: String| ReflectError::Unservable { operation: format!("{}#{}", of.id, function.name), reason };
        if !function.freestanding {
            return Err(unservable(
                "only plain functions can; a function that is `async` or belongs to a resource cannot be called with JSON"
                    .into(),
            ));
        }
        let shapes = function.params.iter().map(|param| &param.shape).chain(&function.result);
        if let Some(handle) = shapes.filter_map(Shape::handle).next() {
            return Err(unservable(format!("it carries a {handle}, which has no form in JSON; pass its data instead")));
        }
        let params = function.params.clone();
        let share = |part: &Option<Arc<Shape>>| part.as_deref().cloned();
        let (ok, error, fallible) = match &function.result {
            Some(Shape::Result(ok, error)) => (share(ok), share(error), true),
            other => (other.clone(), None, false),
        };
        let kind = match params.last() {
            Some(last) if is_shared(&last.shape, "write-options") => OperationKind::Write,
            _ => OperationKind::Read,
        };
        let paged = params.iter().any(|p| is_shared(&p.shape, "page"));
        let feed = kind == OperationKind::Read && is_feed(&params, ok.as_ref());
        Ok(Self {
            name: function.name.clone(),
            capability: capability.clone(),
            interface: of.id.clone(),
            kind,
            docs: function.docs.clone(),
            stability: of.stability.of_part(&function.stability),
            params,
            ok,
            error,
            fallible,
            feed,
            paged,
            layout: fields(function.params.iter().map(|param| &param.shape)),
            flat_len: function.params.iter().map(|param| param.shape.flat_len()).fold(0, usize::saturating_add),
            result: function.result.clone(),
            result_in_memory: function.result.as_ref().is_some_and(|result| result.flat_len() > 1),
        })
    }

    /// `metrics.query`: what the command line, permissions and metrics call it.
    pub fn action(&self) -> String {
        format!("{}.{}", self.capability.name, self.name)
    }

    /// Reads the parameters from a JSON object with one member a parameter. What may be left out is said at
    /// [`Shape::has_default`].
    pub fn decode_params(&self, json: &[u8], limits: &JsonLimits) -> Result<Image, JsonError> {
        decode_params(&self.params, (self.layout.0, &self.layout.1), json, limits)
    }

    /// What the parameters take in memory, one after the other.
    pub fn params_layout(&self) -> Layout {
        self.layout.0
    }

    /// Whether the parameters are passed by their address: there are too many for the flat form.
    pub fn params_in_memory(&self) -> bool {
        self.flat_len > MAX_FLAT_PARAMS
    }

    /// The flat form of parameters that stand one after the other in `bytes`.
    pub fn flatten_params(&self, bytes: &[u8]) -> Flat {
        let mut flat = Flat::default();
        for (param, at) in self.params.iter().zip(&self.layout.1) {
            flat.value(&param.shape, bytes, *at);
        }
        flat
    }

    /// What the function returns.
    pub fn result(&self) -> Option<&Shape> {
        self.result.as_ref()
    }

    /// Whether it is returned by its address: its flat form is more than one number.
    pub fn result_in_memory(&self) -> bool {
        self.result_in_memory
    }

    /// Writes what the function returned as JSON. It begins with `value`; what it refers to is in `memory`.
    pub fn encode_answer(
        &self,
        value: &[u8],
        memory: Memory<'_>,
        limits: &AnswerLimits,
    ) -> Result<Answer, EncodeError> {
        let Some(result) = &self.result else { return Ok(Answer::Ok(b"null".to_vec())) };
        let mut json = Vec::with_capacity(USUAL_ANSWER);
        let mut write = |shape: Option<&Shape>, at: usize| match shape {
            Some(shape) => encode(shape, value.get(at..).unwrap_or_default(), memory, limits, &mut json),
            None => {
                json.extend_from_slice(b"null");
                Ok(())
            }
        };
        if !self.fallible {
            return write(Some(result), 0).map(|()| Answer::Ok(json));
        }
        match value.first() {
            Some(0) => write(self.ok.as_ref(), result.payload()).map(|()| Answer::Ok(json)),
            Some(1) => write(self.error.as_ref(), result.payload()).map(|()| Answer::Error(json)),
            _ => Err(EncodeError::Invalid(JsonError::new("it is neither an answer nor an error"))),
        }
    }
}

/// Whether a shape is the record `name` of `jackfield:types/types`, in any version.
fn is_shared(shape: &Shape, name: &str) -> bool {
    matches!(shape, Shape::Record(record)
        if record.name.name == name && record.name.interface.starts_with("jackfield:types/types@"))
}

fn is_feed(params: &[Param], ok: Option<&Shape>) -> bool {
    let has = |name: &str, shape: Shape| params.iter().any(|p| p.name == name && p.shape == shape);
    let batch = matches!(ok, Some(Shape::Record(batch))
        if batch.fields.iter().any(|f| f.name == "changes" && matches!(f.shape, Shape::List(_)))
            && batch.fields.iter().any(|f| f.name == "next" && f.shape == Shape::String));
    batch && has("cursor", Shape::Option(Arc::new(Shape::String))) && has("wait-ms", Shape::U32)
}

/// The operations of a package: the functions of all its interfaces, which therefore must differ in name.
pub fn operations(package: &Package) -> Result<Vec<Operation>, ReflectError> {
    let mut operations: Vec<Operation> = Vec::new();
    for interface in &package.interfaces {
        for function in &interface.functions {
            let operation = Operation::new(&package.id, interface, function)?;
            if let Some(other) = operations.iter().find(|o| o.name == operation.name) {
                return Err(ReflectError::Unservable {
                    operation: format!("{}#{}", interface.id, function.name),
                    reason: format!("`{}` has an operation of that name too; rename one of them", other.interface),
                });
            }
            operations.push(operation);
        }
    }
    Ok(operations)
}
