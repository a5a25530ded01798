//! From the manifest to the world and its bindings. The world is written here as WIT and handed to wit-bindgen; around
//! the bindings goes the glue that makes the life cycle out of the SDK's `Plugin` trait, and the names under which the
//! author meets the generated modules and traits.

use std::path::{Path, PathBuf};

use jackfield_registry::{CapabilityRef, Manifest};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::{names, wit};

/// The interface every plugin exports.
const LIFECYCLE: &str = "jackfield:plugin/lifecycle@0.1.0";
/// The interface that plugins export which make credentials.
const ISSUER: &str = "jackfield:plugin/credential-issuer@0.1.0";
/// The interface whose types the SDK owns.
const TYPES: &str = "jackfield:types/types@0.1.0";

pub(crate) fn expand(plugin: &syn::Path) -> Result<TokenStream, String> {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set; build with cargo")?;
    let crate_dir = Path::new(&crate_dir);
    let path = crate_dir.join("plugin.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| {
        format!("cannot read {}: {e}; a plugin has its manifest, plugin.toml, beside its Cargo.toml", path.display())
    })?;
    let manifest = Manifest::from_toml(&text).map_err(|e| format!("plugin.toml is not right:\n{e}"))?;

    let mut folders = wit::first_party();
    folders.extend(wit::own(crate_dir)?);
    let capabilities = &manifest.plugin.capabilities;
    let issues = !manifest.plugin.issues.is_empty();
    let bindings = bindings(capabilities, issues, &folders)?;
    let mut reexports = reexports(capabilities);
    let mut traits: Vec<_> = capabilities.iter().map(|c| names::trait_(&short_name(c, capabilities))).collect();
    if issues {
        traits.push(names::trait_("credential-issuer"));
        reexports.push(reexport("jackfield", "plugin", "credential-issuer", "credential-issuer", ISSUER));
    }
    let checks = (0..traits.len()).map(|index| format_ident!("implements_{index}"));
    let lifecycle = lifecycle(plugin, &manifest);
    let tracked = utf8(&path)?;
    Ok(quote! {
        // Makes the compiler watch the manifest.
        const _: &str = ::core::include_str!(#tracked);
        #bindings
        /// The capabilities' types and traits, as generated from their WIT.
        pub mod wit {
            #(#reexports)*
        }
        // A glob, so that the author may have modules of the same names.
        #[allow(unused_imports)]
        pub(crate) use wit::*;
        #lifecycle
        // Names what is not implemented, also where there is nothing to export.
        const _: () = {
            #(const fn #checks<T: wit::#traits>() {} #checks::<#plugin>();)*
        };
        // Only a component has these exports; their names would be a burden for a native linker.
        #[cfg(target_family = "wasm")]
        bindings::export!(#plugin with_types_in bindings);
    })
}

/// The bindings of the imports, for the SDK itself.
pub(crate) fn host_imports() -> Result<TokenStream, String> {
    let folders = wit::first_party();
    let paths = folders.iter().map(|path| utf8(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(quote! {
        ::wit_bindgen::generate!({
            inline: "package jackfield:sdk; world imports { import jackfield:types/types@0.1.0; include jackfield:plugin/imports@0.1.0; }",
            path: [#(#paths),*],
            generate_all,
            generate_unused_types: true,
            additional_derives: [PartialEq, Clone],
            additional_derives_ignore: ["response"],
            type_section_suffix: "jackfield-sdk",
        });
    })
}

fn world(capabilities: &[CapabilityRef], issues: bool) -> String {
    let mut world = format!("package jackfield:generated; world plugin {{ export {LIFECYCLE}; ");
    if issues {
        world.push_str(&format!("export {ISSUER}; "));
    }
    for capability in capabilities {
        world.push_str(&format!("export {}; ", capability.interface_id()));
    }
    world.push('}');
    world
}

fn bindings(capabilities: &[CapabilityRef], issues: bool, folders: &[PathBuf]) -> Result<TokenStream, String> {
    let inline = world(capabilities, issues);
    let paths = folders.iter().map(|path| utf8(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(quote! {
        #[allow(missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic, rustdoc::all)]
        #[doc(hidden)]
        pub mod bindings {
            ::jackfield_sdk::wit_bindgen::generate!({
                inline: #inline,
                path: [#(#paths),*],
                with: { #TYPES: ::jackfield_sdk::types },
                generate_all,
                generate_unused_types: true,
                additional_derives: [PartialEq, Clone],
                runtime_path: "::jackfield_sdk::wit_bindgen::rt",
            });
        }
    })
}

/// Each capability's module and trait under a short name; under `package_interface` where two have the same.
fn reexports(capabilities: &[CapabilityRef]) -> Vec<TokenStream> {
    let reexport = |capability: &CapabilityRef| {
        let CapabilityRef { namespace, package, interface, .. } = capability;
        reexport(namespace, package, interface, &short_name(capability, capabilities), &capability.interface_id())
    };
    capabilities.iter().map(reexport).collect()
}

/// An interface's module and trait under a short name.
fn reexport(namespace: &str, package: &str, interface: &str, short: &str, id: &str) -> TokenStream {
    let [namespace, package, interface] = [namespace, package, interface].map(names::module);
    let (module, guest) = (names::module(short), names::trait_(short));
    let docs = format!("The types of `{id}`.");
    let trait_docs = format!("The operations of `{id}`.");
    quote! {
        #[doc = #docs]
        pub use super::bindings::exports::#namespace::#package::#interface as #module;
        #[doc = #trait_docs]
        pub use super::bindings::exports::#namespace::#package::#interface::Guest as #guest;
    }
}

/// The interface's name; with the package's before it where two interfaces have the same.
fn short_name(capability: &CapabilityRef, all: &[CapabilityRef]) -> String {
    match all.iter().filter(|other| other.interface == capability.interface).count() {
        1 => capability.interface.clone(),
        _ => format!("{}-{}", capability.package, capability.interface),
    }
}

fn lifecycle(plugin: &syn::Path, manifest: &Manifest) -> TokenStream {
    let (name, version) = (&manifest.plugin.name, manifest.plugin.version.to_string());
    let lifecycle = quote! { bindings::exports::jackfield::plugin::lifecycle };
    let statuses = ["Healthy", "Degraded", "Unhealthy"].map(|status| format_ident!("{status}"));
    quote! {
        impl #lifecycle::Guest for #plugin {
            fn describe() -> #lifecycle::Description {
                #lifecycle::Description { name: #name.into(), version: #version.into() }
            }

            fn validate_config(config: ::std::string::String) -> ::jackfield_sdk::Result<()> {
                <Self as ::jackfield_sdk::Plugin>::validate_config(&config)
            }

            fn check_health() -> ::jackfield_sdk::Result<#lifecycle::Health> {
                let health = <Self as ::jackfield_sdk::Plugin>::check_health()?;
                let status = match health.status {
                    #(::jackfield_sdk::HealthStatus::#statuses => #lifecycle::HealthStatus::#statuses,)*
                };
                ::core::result::Result::Ok(#lifecycle::Health {
                    status,
                    message: health.message,
                    system_version: health.system_version,
                })
            }

            fn migrate_config(
                from_version: ::std::string::String,
                config: ::std::string::String,
            ) -> ::jackfield_sdk::Result<::std::string::String> {
                <Self as ::jackfield_sdk::Plugin>::migrate_config(&from_version, config)
            }
        }
    }
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}
