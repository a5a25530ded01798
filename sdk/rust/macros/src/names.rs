//! How WIT's names look in Rust.

use proc_macro2::{Ident, Span};

/// `key-value` → `key_value`, keywords escaped as wit-bindgen does it.
pub(crate) fn module(name: &str) -> Ident {
    let snake = name.replace('-', "_");
    if syn::parse_str::<Ident>(&snake).is_ok() {
        Ident::new(&snake, Span::call_site())
    } else {
        Ident::new(&format!("{snake}_"), Span::call_site())
    }
}

/// `key-value` → `KeyValue`.
pub(crate) fn trait_(name: &str) -> Ident {
    let mut pascal = String::with_capacity(name.len());
    for word in name.split('-') {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    if syn::parse_str::<Ident>(&pascal).is_err() {
        pascal.push('_');
    }
    Ident::new(&pascal, Span::call_site())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_wit_become_names_of_rust() {
        assert_eq!(module("service-discovery").to_string(), "service_discovery");
        assert_eq!(module("type").to_string(), "type_");
        assert_eq!(trait_("service-discovery").to_string(), "ServiceDiscovery");
        assert_eq!(trait_("locks").to_string(), "Locks");
        assert_eq!(trait_("self").to_string(), "Self_");
    }
}
