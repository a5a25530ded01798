//! Who signed a plugin, and whether that is enough.
//!
//! A plugin is signed the way container images are: with cosign's signatures, beside it in the registry or in a bundle beside
//! its file. They are checked offline, against keys or against identities (an issuer and a subject) that a [`TrustPolicy`]
//! names for the place the plugin came from. [`TrustPolicy::judge`] is the only way to an answer, and it has no answer that
//! means "not checked": without a rule and without a signature that counts, the answer is a [`Refusal`] that says what to add.
//!
//! Verification is `sigstore-verify`'s; here is what that crate leaves to its users: which signature counts for what, whose it
//! must be, and cosign's older format and its encrypted keys. Nothing here reads a file, asks a network or knows the time.
//!
//! ```
//! use jackfield_registry::{Digest, Limits, Rights};
//! use jackfield_trust::{Delivery, Evidence, Origin, PrivateKey, TrustPolicy};
//!
//! let key = PrivateKey::generate()?;
//! let file = b"a plugin's file";
//! let bundle = key.bundle(&Digest::of(file));
//!
//! let policy = format!("[[source]]\nprefix = \"file:\"\n[[source.signer]]\nkey = '''\n{}'''\n", key.public().to_pem());
//! let policy = TrustPolicy::parse(&policy)?;
//! let judged = policy.judge(&Delivery {
//!     origin: &Origin::file("/tmp/a.wasm"),
//!     digest: &Digest::of(file),
//!     evidence: &[Evidence::Bundle(bundle)],
//!     rights: &Rights::default(),
//!     limits: &Limits::default(),
//!     unsigned_file: false,
//! })?;
//! assert!(judged.signer.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod evidence;
mod key;
mod keyed;
mod origin;
mod policy;
mod private;
mod provider;
mod root;
mod sealed;
mod signer;
mod simple;
mod statement;

pub use evidence::{Evidence, MAX_EVIDENCE_BYTES};
pub use key::{KeyError, PublicKey};
pub use origin::Origin;
pub use policy::{
    AdvisoryRule, AttestationRule, Ceiling, Delivery, Judgement, PolicyError, Refusal, Refuse, Severity, SeverityError,
    SignerRule, Signers, SourceRule, TrustPolicy, Unsigned,
};
pub use private::PrivateKey;
pub use root::{RootError, TrustRoot};
pub use signer::Signer;
pub use simple::SimpleSignature;
