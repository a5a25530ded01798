//! The `plugin!` macro of `jackfield-sdk`. It turns a plugin's manifest into its world: the capabilities named in
//! `plugin.toml` become the component's exports, and nothing has to be written twice. It reads the manifest and the WIT
//! at compile time, so whatever is wrong with them is a compile error that names the key. Use it through `jackfield-sdk`.

mod names;
mod wit;
mod world;

use proc_macro::TokenStream;
use proc_macro2::Span;
use quote::quote;

/// Makes a type the plugin that `plugin.toml`, beside `Cargo.toml`, describes. See the documentation of `jackfield-sdk`.
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    let plugin = syn::parse_macro_input!(input as syn::Path);
    world::expand(&plugin).unwrap_or_else(|message| error(&message)).into()
}

/// The bindings of what the host offers. Only `jackfield-sdk` uses this.
#[doc(hidden)]
#[proc_macro]
pub fn host_imports(_: TokenStream) -> TokenStream {
    world::host_imports().unwrap_or_else(|message| error(&message)).into()
}

fn error(message: &str) -> proc_macro2::TokenStream {
    let error = syn::Error::new(Span::call_site(), message).into_compile_error();
    quote! { #error }
}
