//! JSON straight into a guest's memory and straight out of it.
//!
//! wasmtime calls a function either with types known to the Rust compiler or with values that it makes one by one: forty
//! bytes and an allocation for each field and its name, a value for each byte of a `list<u8>`. Jackfield knows the types
//! only once a plugin is there, and knows them well: `reflect` makes an image of the parameters and reads the answer where
//! it lies. So the two types here stand in for the compiler's: to wasmtime they are parameters and a result like any that
//! `#[derive(Lower, Lift)]` makes, which is why they use the same parts of wasmtime that the derived code uses.
//!
//! # Safety
//! What wasmtime asks of such types (see `wasmtime::component::ComponentType`), and why it holds:
//! - `Lower` is an array of `ValRaw`, and all of it is initialised.
//! - The numbers in it are the flat form of the function's own parameters, or, where those are more than sixteen, the one
//!   address that stands for them; the result is the one number, or the address, that the function's own result has. Both
//!   follow from the operation's shapes, and a [`Callable`] exists only where the shapes are the function's types.
//! - No address of the guest's is followed but through wasmtime's own slice of the guest's memory, with its bounds.
//! - No handle is passed: shapes with handles make no operation.
//!
//! A wrong number here would still be a number in a sandbox: what it can break is the guest's.

use std::{
    mem::MaybeUninit,
    sync::{Arc, Mutex, PoisonError},
};

use jackfield_reflect::{
    Answer, AnswerLimits, EncodeError, Flat, Image, MAX_FLAT_PARAMS, Memory, Operation, Target, TextEncoding,
};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    Error, Result, Store, ValRaw,
    component::{
        __internal::{
            CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
            wasmtime_environ::component::StringEncoding,
        },
        ComponentNamedList, ComponentType, Instance, Lift, Lower, TypedFunc,
    },
};

use crate::Callable;

tokio::task_local! {
    /// What is called. The answer is read in a function without parameters of ours, on the thread that polls the call.
    static CALLED: Called;
}

struct Called {
    callable: Callable,
    limits: AnswerLimits,
}

/// An image, and the room it takes among the parameters of all calls: both until the guest has it.
pub(crate) struct Held {
    pub(crate) image: Image,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Calls an operation in an instance of the component that it was proved to be of.
///
/// # Errors
/// The outer one is the guest's fault; the inner one says that its answer is too long.
pub(crate) async fn call<T: Send + 'static>(
    store: &mut Store<T>,
    instance: Instance,
    callable: Callable,
    held: Held,
    limits: AnswerLimits,
) -> Result<Result<Answer, EncodeError>> {
    let function = instance
        .get_func(&mut *store, callable.index)
        .ok_or_else(|| Error::msg("the operation is another component's"))?;
    // SAFETY: the `Callable` was made of its operation and this function's type, as said above.
    let function: TypedFunc<Params, Answered> = unsafe { TypedFunc::new_unchecked(function) };
    let params = Params { held: Mutex::new(Some(held)), operation: callable.operation.clone() };
    let called = Called { callable, limits };
    let Answered(answer) = CALLED.scope(called, function.call_async(store, params)).await?;
    Ok(answer)
}

/// The parameters of an operation.
struct Params {
    held: Mutex<Option<Held>>,
    // Not taken from `CALLED`: while parameters are placed the guest's own allocator runs and may be put aside, and nothing
    // of the thread's may be borrowed then.
    operation: Arc<Operation>,
}

// SAFETY: see the module's head. The layout that `ABI` tells is that of a value in memory, which this never is.
unsafe impl ComponentType for Params {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Err(unchecked())
    }
}

// SAFETY: the shapes were held against the function's types one by one.
unsafe impl ComponentNamedList for Params {}

// SAFETY: all of `destination` is written.
unsafe impl Lower for Params {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        destination: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Held { image, room } = held.ok_or_else(|| Error::msg("the parameters were passed before"))?;
        let flat = place(&self.operation, image, &mut GuestMemory { cx })?;
        drop(room);
        destination.write(flat.numbers.map(ValRaw::u64));
        Ok(())
    }

    fn linear_lower_to_memory<T>(&self, _: &mut LowerContext<'_, T>, _: InterfaceType, _: usize) -> Result<()> {
        Err(unchecked())
    }
}

/// Places parameters in a guest's memory; what the function takes for them.
fn place<T: 'static>(operation: &Operation, image: Image, memory: &mut GuestMemory<'_, '_, T>) -> Result<Flat> {
    let params = image.place(memory)?;
    if !operation.params_in_memory() {
        return Ok(operation.flatten_params(&params));
    }
    let address = memory.allocate(operation.params_layout().align, params.len())?;
    memory.write(address, &params)?;
    Ok(Flat::address(address))
}

/// A guest's memory while it is given parameters.
struct GuestMemory<'a, 'c, T: 'static> {
    cx: &'a mut LowerContext<'c, T>,
}

impl<T> Target for GuestMemory<'_, '_, T> {
    type Error = Error;

    fn allocate(&mut self, align: usize, len: usize) -> Result<u32> {
        Ok(u32::try_from(self.cx.realloc(0, 0, u32::try_from(align)?, len)?)?)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let start = usize::try_from(address)?;
        let place = self.cx.as_slice_mut().get_mut(start..).and_then(|memory| memory.get_mut(..bytes.len()));
        place.ok_or_else(|| Error::msg("an allocation beyond the guest's memory"))?.copy_from_slice(bytes);
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<(u32, u32)> {
        /// In the length of a text that may be Latin-1, this bit says that it is not.
        const UTF16_TAG: u32 = 1 << 31;
        let tag = match self.cx.options().string_encoding {
            StringEncoding::Utf8 => {
                let address = self.allocate(1, text.len())?;
                self.write(address, text)?;
                return Ok((address, u32::try_from(text.len())?));
            }
            StringEncoding::Utf16 => 0,
            StringEncoding::CompactUtf16 => UTF16_TAG,
        };
        let units: Vec<u8> = std::str::from_utf8(text)?.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let address = self.allocate(2, units.len())?;
        self.write(address, &units)?;
        Ok((address, u32::try_from(units.len() / 2)? | tag))
    }
}

/// The answer of an operation, already as JSON.
struct Answered(Result<Answer, EncodeError>);

// SAFETY: see the module's head. Every function returns at most one number.
unsafe impl ComponentType for Answered {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::SCALAR4;

    fn typecheck(_: &InterfaceType, _: &InstanceType<'_>) -> Result<()> {
        Err(unchecked())
    }
}

// SAFETY: the shape was held against the function's type.
unsafe impl ComponentNamedList for Answered {}

// SAFETY: what the guest returned is taken for what the shape says, and checked where it is used.
unsafe impl Lift for Answered {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, _: InterfaceType, source: &Self::Lower) -> Result<Self> {
        let [number] = source;
        // Nothing of the guest's runs in here.
        CALLED.try_with(|called| read(cx, called, *number)).map_err(|_| Error::msg("an answer to no call"))?
    }

    fn linear_lift_from_memory(_: &mut LiftContext<'_>, _: InterfaceType, _: &[u8]) -> Result<Self> {
        Err(unchecked())
    }
}

/// The answer that a function returned as a number, or by its address.
fn read(cx: &LiftContext<'_>, Called { callable, limits }: &Called, number: ValRaw) -> Result<Answered> {
    let operation = &callable.operation;
    let answer = match operation.result() {
        Some(shape) if operation.result_in_memory() => {
            let (start, layout) = (usize::try_from(number.get_u32())?, shape.layout());
            if start % layout.align != 0 {
                return Err(Error::msg("the answer is at an address that is not aligned"));
            }
            let value = cx.memory().get(start..).and_then(|memory| memory.get(..layout.size));
            let value = value.ok_or_else(|| Error::msg("the answer is beyond the guest's memory"))?;
            let texts = match cx.options().string_encoding {
                StringEncoding::Utf8 => TextEncoding::Utf8,
                StringEncoding::Utf16 => TextEncoding::Utf16,
                StringEncoding::CompactUtf16 => TextEncoding::Latin1OrUtf16,
            };
            operation.encode_answer(value, Memory { bytes: cx.memory(), texts }, limits)
        }
        Some(shape) => {
            let value = shape.unflatten(number.get_u64()).ok_or_else(|| Error::msg("the answer is no such value"))?;
            operation.encode_answer(&value, Memory::utf8(&[]), limits)
        }
        None => operation.encode_answer(&[], Memory::utf8(&[]), limits),
    };
    match answer {
        Err(error @ EncodeError::Invalid(_)) => Err(error.into()),
        answer => Ok(Answered(answer)),
    }
}

/// wasmtime asks for this only of types that it checks, or that are parts of others.
fn unchecked() -> Error {
    Error::msg("these types are made for one function, and are no part of others")
}

#[cfg(test)]
mod tests {
    use jackfield_reflect::{JsonLimits, operations, read_wit};
    use wasmtime::{
        Config, Engine,
        component::{Component, Linker},
    };

    use super::*;

    /// Gives back the text it is given, where it was put.
    const ECHO: &str = r#"(component
        (core module $m
            (memory (export "memory") 1)
            (global $free (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $free)
                (global.set $free
                    (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8))))
            (func (export "echo") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0))
                (i32.store (i32.const 20) (local.get 1))
                (i32.const 16)))
        (core instance $i (instantiate $m))
        (func $echo (param "text" string) (result string)
            (canon lift (core func $i "echo")
                (memory $i "memory") (realloc (func $i "realloc")) string-encoding=ENCODING))
        (instance $echoes (export "echo" (func $echo)))
        (export "test:echo/echo@0.1.0" (instance $echoes)))"#;

    async fn echo(encoding: &str, json: &str) -> String {
        let mut config = Config::new();
        config.concurrency_support(false);
        let engine = Engine::new(&config).unwrap();
        let bytes = wat::parse_str(ECHO.replace("ENCODING", encoding)).unwrap();
        let component = Component::new(&engine, bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_async(&mut store, &component).await.unwrap();
        let wit = "package test:echo@0.1.0; interface echo { echo: func(text: string) -> string; }";
        let operation = operations(&read_wit(wit).unwrap()[0]).unwrap().remove(0);
        let image = operation.decode_params(json.as_bytes(), &JsonLimits::default()).unwrap();
        let interface = component.get_export_index(None, "test:echo/echo@0.1.0").unwrap();
        let index = component.get_export_index(Some(&interface), "echo").unwrap();
        let callable = Callable { operation: Arc::new(operation), index };
        let limits = AnswerLimits { max_bytes: 1000, max_values: 1000 };
        let answer = call(&mut store, instance, callable, Held { image, room: None }, limits).await.unwrap().unwrap();
        let Answer::Ok(json) = answer else { panic!("{answer:?}") };
        String::from_utf8(json).unwrap()
    }

    #[tokio::test]
    async fn a_text_reaches_a_guest_and_comes_back_in_whichever_encoding_it_keeps_texts() {
        for encoding in ["utf8", "utf16", "latin1+utf16"] {
            for text in [r#""""#, r#""plain""#, r#""aß€🦀\n""#] {
                assert_eq!(echo(encoding, &format!("{{\"text\":{text}}}")).await, text, "{encoding}");
            }
        }
    }
}
