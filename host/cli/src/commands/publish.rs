//! `jackfield plugin push`, `pull`, `sign`, `verify` and `keygen`: what a plugin's maker does, and whoever checks what he did.
//! No host is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jackfield_core::{Evidence, Origin, Place, Rights, Secret, TrustPolicy};
use jackfield_fetch::{Fetched, Fetcher, PlaceError, Reference, ReferenceError};
use jackfield_registry::{Digest, Limits, MAX_PACKAGE_BYTES, Package};
use jackfield_trust::{Delivery, PrivateKey, PublicKey, Refusal};
use serde_json::json;

use super::{Context, place};
use crate::{
    args::{PushArgs, SignArgs, VerifyArgs},
    failure::Failure,
    file::{Kind, Over, write},
    output::{Cell, Style, Table, Tree},
    secret,
};

/// What holds a key's password; cosign's own name for it is as good.
const PASSWORDS: [&str; 2] = ["JACKFIELD_KEY_PASSWORD", "COSIGN_PASSWORD"];

pub(super) async fn push(context: &Context, args: &PushArgs) -> Result<(), Failure> {
    let reference = reference(&args.place)?;
    let key = args.key.as_deref().map(private_key).transpose()?;
    let bytes = place::file(&args.file)?;
    let package = Package::read(&bytes).map_err(|error| failed(&args.file.display(), &error))?;
    tells_the_version(&reference, &package)?;
    let fetcher = fetcher(context)?;
    let pushed = fetcher.push(&reference, bytes, &package.manifest, created()?).await;
    let manifest = pushed.map_err(|error| Failure::Failed(error.to_string()))?;
    if let Some(key) = &key {
        // What was made here, whatever the registry has made of it.
        let signed = fetcher.sign(reference.repository(), manifest.digest, key).await;
        signed.map_err(|error| Failure::Failed(error.to_string()))?;
    }
    let answer = json!({
        "pushed": reference.pinned(manifest.digest).to_string(),
        "plugin": id(&package),
        "digest": package.digest.to_string(),
        "key": key.map(|key| key.public().fingerprint()).unwrap_or_default(),
    });
    show(context, &answer)
}

pub(super) async fn pull(context: &Context, place: &str, file: Option<PathBuf>) -> Result<(), Failure> {
    let fetched = fetch(context, place).await?;
    let package = Package::read(&fetched.file).map_err(|error| failed(&fetched.pinned, &error))?;
    let plugin = &package.manifest.plugin;
    // What a stranger's file is called is not taken for a wish to have another one overwritten.
    let (file, over) = match file {
        Some(file) => (file, Over::Anything),
        None => (PathBuf::from(format!("{}-{}.wasm", plugin.name, plugin.version)), Over::Nothing),
    };
    write(&file, &fetched.file, over, Kind::Ordinary)?;
    let answer = json!({
        "pulled": fetched.pinned,
        "plugin": id(&package),
        "digest": package.digest.to_string(),
        "file": file.display().to_string(),
        "unverified-signatures": fetched.evidence.len(),
    });
    show(context, &answer)
}

pub(super) async fn sign(context: &Context, args: &SignArgs) -> Result<(), Failure> {
    let key = private_key(&args.key)?;
    if Place::is_meant(&args.place) {
        let reference = reference(&args.place)?;
        let Some(digest) = reference.digest() else {
            return Err(Failure::Usage(format!(
                "{reference}: a tag is whatever the registry says it is; sign what you pushed, by its digest, which `jackfield plugin push` printed ({reference}@sha256:…), or push with `--key`"
            )));
        };
        // Whoever signs signs a plugin, and is told which.
        let fetched = fetch(context, &args.place).await?;
        let package = Package::read(&fetched.file).map_err(|error| failed(&fetched.pinned, &error))?;
        let signed = fetcher(context)?.sign(reference.repository(), digest, &key).await;
        signed.map_err(|error| Failure::Failed(error.to_string()))?;
        let answer = json!({
            "signed": fetched.pinned,
            "plugin": id(&package),
            "digest": package.digest.to_string(),
            "key": key.public().fingerprint(),
        });
        return show(context, &answer);
    }
    let file = Path::new(&args.place);
    let bytes = place::file(file)?;
    let package = Package::read(&bytes).map_err(|error| failed(&args.place, &error))?;
    let signature = place::beside(file);
    write(&signature, &key.bundle(&package.digest), Over::Anything, Kind::Ordinary)?;
    let answer = json!({
        "signed": args.place,
        "plugin": id(&package),
        "digest": package.digest.to_string(),
        "signature": signature.display().to_string(),
        "key": key.public().fingerprint(),
    });
    show(context, &answer)
}

/// Whether a tag that is a version is the plugin's: nobody could install it under another.
fn tells_the_version(reference: &Reference, package: &Package) -> Result<(), Failure> {
    let plugin = &package.manifest.plugin;
    match reference.tag().and_then(|tag| plugin.contradicted_by(tag)) {
        Some(said) => Err(Failure::Usage(format!(
            "the tag says version {said}, and the file is `{}` {}; push it under its own version",
            plugin.name, plugin.version
        ))),
        None => Ok(()),
    }
}

fn id(package: &Package) -> String {
    format!("{}@{}", package.manifest.plugin.name, package.manifest.plugin.version)
}

pub(super) async fn verify(context: &Context, args: &VerifyArgs) -> Result<(), Failure> {
    let policy = policy(args)?;
    let (evidence, signed, origin, shown) = if Place::is_meant(&args.place) {
        if args.signature.is_some() {
            let message = "--signature is for files; a signature elsewhere is looked for where the plugin is";
            return Err(Failure::Usage(message.into()));
        }
        let Fetched { evidence, signed, origin, pinned, .. } = fetch(context, &args.place).await?;
        (evidence, signed, origin, pinned)
    } else {
        let file = Path::new(&args.place);
        let bytes = place::file(file)?;
        let found = place::signature(file, args.signature.as_deref())?;
        let evidence: Vec<Evidence> = found.into_iter().map(Evidence::Bundle).collect();
        (evidence, Digest::of(&bytes), Origin::file("upload"), args.place.clone())
    };
    let judged = policy.judge(&Delivery {
        origin: &origin,
        digest: &signed,
        evidence: &evidence,
        rights: &Rights::default(),
        limits: &Limits::default(),
        unsigned_file: false,
    });
    let judged = judged.map_err(|refusal| {
        let reasons = match refusal {
            Refusal::NoSigner { reasons, .. } => reasons.join("; "),
            _ => "there is no signature".to_owned(),
        };
        Failure::Failed(format!("{shown} ({signed}) is not signed by the signer that was named: {reasons}"))
    })?;
    let signer = judged.signer.map(|signer| signer.to_string()).unwrap_or_default();
    show(
        context,
        &json!({"verified": shown, "digest": signed.to_string(), "signer": signer, "attestations": judged.attestations}),
    )
}

/// The policy that the signer who was named has signed.
fn policy(args: &VerifyArgs) -> Result<TrustPolicy, Failure> {
    let read = |path: &Path| place::file(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let signer = match &args.key {
        Some(file) => {
            let pem = read(file)?;
            public_key(&pem, file)?;
            json!({"key": pem})
        }
        None => json!({"issuer": args.issuer, "subject": args.subject}),
    };
    let sources = ["oci:", "https:", "http:", "file:"].map(|prefix| json!({"prefix": prefix, "signer": [signer]}));
    let mut document = json!({"source": sources});
    if let (Some(root), Some(members)) = (&args.trust_root, document.as_object_mut()) {
        members.insert("trust-root".into(), read(root)?.into());
    }
    TrustPolicy::from_json(document.to_string().as_bytes()).map_err(|error| Failure::Usage(error.to_string()))
}

pub(super) fn keygen(context: &Context, name: &Path) -> Result<(), Failure> {
    let with = |ending: &str| PathBuf::from(format!("{}.{ending}", name.display()));
    let (private, public) = (with("key"), with("pub"));
    let failed = |error: jackfield_trust::KeyError| Failure::Failed(error.to_string());
    let password = match password() {
        Some(password) => password,
        None => secret::ask_twice("a password for the key").map_err(about_password)?,
    };
    if password.expose_str().is_none_or(str::is_empty) {
        return Err(Failure::Usage("the key needs a password that is not empty".into()));
    }
    let key = PrivateKey::generate().map_err(failed)?;
    let pem = key.to_pem(password.expose_str().unwrap_or_default()).map_err(failed)?;
    write(&public, key.public().to_pem().as_bytes(), Over::Nothing, Kind::Ordinary)?;
    // A public key without its private one is of no use, and of no harm.
    write(&private, pem.as_bytes(), Over::Nothing, Kind::Secret).inspect_err(|_| drop(fs::remove_file(&public)))?;
    let answer = json!({
        "private": private.display().to_string(),
        "public": public.display().to_string(),
        "key": key.public().fingerprint(),
    });
    show(context, &answer)
}

/// The password of a key, where the environment has it.
fn password() -> Option<Secret> {
    PASSWORDS.iter().find_map(|name| std::env::var(name).ok()).map(Secret::from)
}

/// Where nobody can be asked, the variable is what helps.
fn about_password(failure: Failure) -> Failure {
    match failure {
        Failure::Usage(_) => {
            let name = PASSWORDS.first().copied().unwrap_or_default();
            Failure::Usage(format!("the key's password is needed, and there is no terminal to ask on; set {name}"))
        }
        other => other,
    }
}

/// A public key that was given with `--key`.
pub(super) fn public_key(pem: &str, file: &Path) -> Result<PublicKey, Failure> {
    PublicKey::from_pem(pem).map_err(|error| Failure::Usage(format!("--key {}: {error}", file.display())))
}

pub(super) fn private_key(file: &Path) -> Result<PrivateKey, Failure> {
    let pem = secret::from_file(file, false)?;
    let pem = pem.expose_str().unwrap_or_default();
    let wrong = |error: jackfield_trust::KeyError| Failure::Usage(format!("{}: {error}", file.display()));
    if !PrivateKey::needs_password(pem) {
        return PrivateKey::from_pem(pem, "").map_err(wrong);
    }
    let password = match password() {
        Some(password) => password,
        None => secret::ask(&format!("the password of {}", file.display())).map_err(about_password)?,
    };
    PrivateKey::from_pem(pem, password.expose_str().unwrap_or_default()).map_err(wrong)
}

pub(super) fn fetcher(context: &Context) -> Result<Fetcher, Failure> {
    Fetcher::alone(context.connection.registries()?).map_err(|error| Failure::Usage(error.to_string()))
}

async fn fetch(context: &Context, place: &str) -> Result<Fetched, Failure> {
    // What was written is not repeated: it may be an address with a password.
    let parsed: Place = place.parse().map_err(|error: PlaceError| Failure::Usage(error.to_string()))?;
    let fetched = fetcher(context)?.fetch(&parsed, MAX_PACKAGE_BYTES).await;
    fetched.map_err(|error| Failure::Failed(error.to_string()))
}

fn reference(place: &str) -> Result<Reference, Failure> {
    place.parse().map_err(|error: ReferenceError| Failure::Usage(error.to_string()))
}

/// When a pushed plugin is said to be made: what the environment says, so that the same file is the same manifest wherever
/// it is pushed from, and else the beginning of time (reproducible-builds.org has the variable).
fn created() -> Result<Duration, Failure> {
    let Some(said) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(Duration::ZERO) };
    let seconds = said.to_str().and_then(|text| text.parse().ok());
    let wrong = || Failure::Usage("SOURCE_DATE_EPOCH is not a number of seconds since 1970".into());
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

fn failed(place: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{place}: {error}"))
}

/// Prints what was done, a line a fact.
pub(super) fn show(context: &Context, answer: &serde_json::Value) -> Result<(), Failure> {
    context.ui.answer(answer.to_string().as_bytes(), |tree: &Tree| {
        let mut facts = Table::plain();
        for (name, value) in tree.members() {
            let shown = match value {
                Tree::List(_) => tree.texts(name),
                Tree::Text(text) => text.clone(),
                other => other.to_string(),
            };
            if !shown.is_empty() {
                facts.row([Cell::from(name), Cell::from(shown)]);
            }
        }
        facts.render(Style::default())
    })
}
