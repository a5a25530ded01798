//! `jackfield plugin push`, `pull`, `sign`, `verify` and `keygen`: what a plugin's maker does, and whoever checks what he did.
//! No host is asked.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jackfield_core::{Evidence, Origin, Place, Rights, Secret, TrustPolicy};
use jackfield_fetch::{Fetched, Fetcher, Reference};
use jackfield_registry::{Digest, MAX_PACKAGE_BYTES, Package};
use jackfield_trust::{Delivery, PrivateKey};
use serde_json::json;

use super::{Context, place};
use crate::{
    args::{SignArgs, VerifyArgs},
    failure::Failure,
    output::{Cell, Style, Table, Tree},
    secret,
};

/// What holds a key's password; cosign's own name for it is as good.
const PASSWORDS: [&str; 2] = ["JACKFIELD_KEY_PASSWORD", "COSIGN_PASSWORD"];

pub(super) async fn push(context: &Context, file: &Path, place: &str) -> Result<(), Failure> {
    let reference = reference(place)?;
    let bytes = place::file(file)?;
    let package = Package::read(&bytes).map_err(|error| failed(&file.display().to_string(), &error))?;
    let pushed = fetcher(context)?.push(&reference, bytes, &package.manifest, created()?).await;
    let manifest = pushed.map_err(|error| Failure::Failed(error.to_string()))?;
    let plugin = &package.manifest.plugin;
    let answer = json!({
        "pushed": reference.pinned(manifest.digest).to_string(),
        "plugin": format!("{}@{}", plugin.name, plugin.version),
        "digest": package.digest.to_string(),
    });
    show(context, &answer)
}

pub(super) async fn pull(context: &Context, place: &str, file: Option<PathBuf>) -> Result<(), Failure> {
    let fetched = fetch(context, place).await?;
    let package = Package::read(&fetched.file).map_err(|error| failed(place, &error))?;
    let plugin = &package.manifest.plugin;
    let file = file.unwrap_or_else(|| PathBuf::from(format!("{}-{}.wasm", plugin.name, plugin.version)));
    write(&file, &fetched.file, false)?;
    let answer = json!({
        "pulled": fetched.pinned,
        "plugin": format!("{}@{}", plugin.name, plugin.version),
        "digest": package.digest.to_string(),
        "file": file.display().to_string(),
        "signatures": fetched.evidence.len(),
    });
    show(context, &answer)
}

pub(super) async fn sign(context: &Context, args: &SignArgs) -> Result<(), Failure> {
    let key = private_key(&args.key)?;
    if Place::is_meant(&args.place) {
        let reference = reference(&args.place)?;
        let signed = fetcher(context)?.sign(&reference, &key).await;
        let manifest = signed.map_err(|error| Failure::Failed(error.to_string()))?;
        let pinned = reference.pinned(manifest.digest).to_string();
        return show(context, &json!({"signed": pinned, "key": key.public().fingerprint()}));
    }
    let file = Path::new(&args.place);
    let bytes = place::file(file)?;
    // Whoever signs signs a plugin, not whatever is there.
    let package = Package::read(&bytes).map_err(|error| failed(&args.place, &error))?;
    let signature = place::beside(file);
    write(&signature, &key.bundle(&package.digest), false)?;
    let answer = json!({
        "signed": args.place,
        "digest": package.digest.to_string(),
        "signature": signature.display().to_string(),
        "key": key.public().fingerprint(),
    });
    show(context, &answer)
}

pub(super) async fn verify(context: &Context, args: &VerifyArgs) -> Result<(), Failure> {
    let policy = policy(args)?;
    let (evidence, signed) = if Place::is_meant(&args.place) {
        let Fetched { evidence, signed, .. } = fetch(context, &args.place).await?;
        (evidence, signed)
    } else {
        let file = Path::new(&args.place);
        let bytes = place::file(file)?;
        let found = place::signature(file, args.signature.as_deref())?;
        (found.into_iter().map(Evidence::Bundle).collect(), Digest::of(&bytes))
    };
    let judged = policy.judge(&Delivery {
        origin: &Origin::file(&args.place),
        digest: &signed,
        evidence: &evidence,
        rights: &Rights::default(),
        limits: &jackfield_core::Limits::default(),
        unsigned_file: false,
    });
    let judged = judged.map_err(|_| {
        let found = match evidence.len() {
            0 => "there is no signature".to_owned(),
            1 => "the one signature that there is is not".to_owned(),
            count => format!("of the {count} signatures and attestations that there are none is"),
        };
        Failure::Failed(format!("{} ({signed}) is not signed by the signer that was named: {found}", args.place))
    })?;
    let signer = judged.signer.map(|signer| signer.to_string()).unwrap_or_default();
    show(
        context,
        &json!({"verified": args.place, "digest": signed.to_string(), "signer": signer, "attestations": judged.attestations}),
    )
}

/// The policy that the signer who was named has signed.
fn policy(args: &VerifyArgs) -> Result<TrustPolicy, Failure> {
    let read = |path: &Path| place::file(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let signer = match &args.key {
        Some(key) => json!({"key": read(key)?}),
        None => json!({"issuer": args.issuer, "subject": args.subject}),
    };
    let mut document = json!({"source": [{"prefix": "file:", "signer": [signer]}]});
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
        None => secret::ask_twice("a password for the key")?,
    };
    let key = PrivateKey::generate().map_err(failed)?;
    let pem = key.to_pem(password.expose_str().unwrap_or_default()).map_err(failed)?;
    write(&private, pem.as_bytes(), true)?;
    write(&public, key.public().to_pem().as_bytes(), true)?;
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

fn private_key(file: &Path) -> Result<PrivateKey, Failure> {
    let pem = secret::from_file(file, false)?;
    let pem = pem.expose_str().unwrap_or_default();
    let wrong = |error: jackfield_trust::KeyError| Failure::Usage(format!("{}: {error}", file.display()));
    if !PrivateKey::needs_password(pem) {
        return PrivateKey::from_pem(pem, "").map_err(wrong);
    }
    let password = match password() {
        Some(password) => password,
        None => secret::ask(&format!("the password of {}", file.display()))?,
    };
    PrivateKey::from_pem(pem, password.expose_str().unwrap_or_default()).map_err(wrong)
}

fn fetcher(context: &Context) -> Result<Fetcher, Failure> {
    Fetcher::alone(context.connection.registries()?).map_err(|error| Failure::Usage(error.to_string()))
}

async fn fetch(context: &Context, place: &str) -> Result<Fetched, Failure> {
    let parsed: Place = place.parse().map_err(|error| Failure::Usage(format!("`{place}`: {error}")))?;
    let fetched = fetcher(context)?.fetch(&parsed, MAX_PACKAGE_BYTES).await;
    fetched.map_err(|error| Failure::Failed(error.to_string()))
}

fn reference(place: &str) -> Result<Reference, Failure> {
    place.parse().map_err(|error| Failure::Usage(format!("`{place}`: {error}")))
}

/// When a pushed plugin is said to be made: what the environment says, so that the same file is the same manifest wherever
/// it is pushed from, and else the beginning of time (reproducible-builds.org has the variable).
fn created() -> Result<Duration, Failure> {
    let Some(said) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(Duration::ZERO) };
    let seconds = said.to_str().and_then(|text| text.parse().ok());
    let wrong = || Failure::Usage("SOURCE_DATE_EPOCH is not a number of seconds since 1970".into());
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// Writes a file wholly or not at all; a key never over another file, and for its owner alone.
pub(super) fn write(file: &Path, bytes: &[u8], key: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{} cannot be written: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is its owner's alone.
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    draft.write_all(bytes).map_err(failed)?;
    // Or a name may outlive a crash that its bytes do not.
    draft.as_file().sync_all().map_err(failed)?;
    if key {
        return draft.persist_noclobber(file).map(drop).map_err(|error| failed(error.error));
    }
    readable(&draft).map_err(failed)?;
    draft.persist(file).map(drop).map_err(|error| failed(error.error))
}

/// Gives a file that is no secret the rights that files commonly have.
fn readable(draft: &tempfile::NamedTempFile) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        draft.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

fn failed(place: &str, error: &dyn std::fmt::Display) -> Failure {
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
