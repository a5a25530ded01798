//! The vault of a host: opened at the start, changed by operators, bound to endpoints. What a credential holds passes
//! through here on its way in and never on a way out.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jackfield_gateway::{Authority, Binding, Dialer, Login, Payload, Place};
use jackfield_store::Store;
use jackfield_vault::{
    AllowedSources, CredentialInfo, CredentialKind, Material, NewSource, Secret, Sources, Vault, VaultError,
    VaultState, VaultStatus, VersionState,
};
use serde::{Deserialize, Serialize};

use crate::{
    CredentialBinding, Error, ErrorKind, ErrorSource, EventKind, Result, faults,
    integrations::IntegrationRecord,
    issuing, names,
    shared::{About, Shared},
    view::View,
};

/// A credential that is to be made, or a new version of one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewCredential {
    /// What it consists of.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// Its fields, those of its type.
    pub fields: BTreeMap<String, Secret>,
    /// Those that are not kept here, and where they come from.
    #[serde(default)]
    pub sources: Sources,
    /// The new version waits to be promoted. The first of a credential never does.
    #[serde(default)]
    pub staged: bool,
}

/// A credential and where it is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CredentialUse {
    /// The credential.
    #[serde(flatten)]
    pub credential: CredentialInfo,
    /// The endpoints it is bound to, as `integration/endpoint`.
    pub used_by: Vec<String>,
}

/// Makes a key file for [`NewSource::File`]. One that is there already is left as it is.
pub fn make_key_file(path: &Path) -> Result<()> {
    jackfield_vault::make_key_file(path).map_err(faults::vault)
}

/// Loads the vault and opens it with whatever is at hand. One that stays sealed stops nothing but the use of credentials.
pub(crate) async fn open(
    store: Arc<dyn Store>,
    dialer: Arc<Dialer>,
    passphrase: Option<Secret>,
    allowed: AllowedSources,
) -> Result<Vault> {
    let vault = Vault::load(store, dialer).await.map_err(faults::vault)?;
    let vault = vault.allowing(allowed).map_err(faults::vault)?;
    if vault.status().state == VaultState::Absent {
        return Ok(vault);
    }
    let opened = match passphrase {
        Some(passphrase) => match vault.unlock(Some(passphrase)).await {
            Ok(()) => Ok(()),
            // It may be for another source; those that need nothing said are tried all the same.
            Err(error) => vault.unlock(None).await.map_err(|_| error),
        },
        None => vault.unlock(None).await,
    };
    let status = vault.status();
    let sealed_with = status.keys.iter().map(|key| key.place.as_str()).collect::<Vec<_>>().join(" or ");
    match opened {
        Ok(()) => tracing::info!(
            credentials = status.credentials,
            locked_memory = status.locked_memory,
            "the vault is open; it is sealed with {sealed_with}"
        ),
        Err(error) => {
            tracing::warn!(credentials = status.credentials, "the vault is sealed with {sealed_with}: {error}")
        }
    }
    Ok(vault)
}

/// Goes on with what an earlier process began: sealing credentials anew under a new vault key.
pub(crate) async fn go_on(shared: Arc<Shared>) {
    if !shared.vault.status().resealing {
        return;
    }
    let mut stop = shared.stop.subscribe();
    tokio::select! {
        () = crate::tasks::stopped(&mut stop) => {}
        done = shared.vault.reseal() => match done {
            Ok(()) => tracing::info!("every credential is sealed under the new vault key"),
            Err(error) => tracing::warn!(%error, "not every credential is sealed under the new vault key yet"),
        },
    }
}

/// Binds a credential to an endpoint.
pub(crate) fn authority(shared: &Shared, endpoint: &str, bound: CredentialBinding) -> Result<Authority> {
    let at =
        |error: Error, member: &str| error.at(format!("/endpoints/{}/credential{member}", names::pointer(endpoint)));
    let info = shared.vault.credential(&bound.name).map_err(|error| at(Error::invalid(error.to_string()), "/name"))?;
    let login = bound.login.as_deref().map(|name| {
        Login::parse(name, bound.auth_method.as_deref()).map_err(|reason| at(Error::invalid(reason), "/login"))
    });
    if bound.auth_method.is_some() && bound.login.is_none() {
        let message = "an auth method is for the login of Consul or Nomad; name `login` too";
        return Err(at(Error::invalid(message), "/auth-method"));
    }
    let payload = bound.payload.as_deref().map(|name| {
        Payload::parse(name).ok_or_else(|| {
            let message = "what of the body is signed is `signed`, `unsigned` or `streaming`";
            at(Error::invalid(message), "/payload")
        })
    });
    let payload = payload.transpose()?;
    let place = match (bound.header, bound.query, bound.region, bound.service, login.transpose()?) {
        (Some(_), Some(_), ..) => {
            let message = "an API key goes either in a header or in the query; name one of them";
            return Err(at(Error::invalid(message), ""));
        }
        (Some(name), None, None, None, None) => Some(Place::Header { name, prefix: bound.prefix.clone() }),
        (None, Some(name), None, None, None) => Some(Place::Query(name)),
        (None, None, Some(region), Some(service), None) => {
            Some(Place::Aws { region, service, payload: payload.unwrap_or_default() })
        }
        (None, None, None, None, Some(login)) => Some(Place::Login(login)),
        (None, None, None, None, None) => None,
        _ => {
            let message = "`header` or `query` is for an API key, `region` with `service` for AWS, `login` \
                           for a user name and a password or a bearer's token; name what belongs to one of them";
            return Err(at(Error::invalid(message), ""));
        }
    };
    if payload.is_some() && !matches!(place, Some(Place::Aws { .. })) {
        let message = "what of the body is signed is said for AWS; name `region` and `service` too";
        return Err(at(Error::invalid(message), "/payload"));
    }
    if bound.prefix.is_some() && !matches!(place, Some(Place::Header { .. })) {
        return Err(at(Error::invalid("a prefix stands in a header; name the header too"), "/prefix"));
    }
    let fits = match (info.kind, &place) {
        (CredentialKind::ApiKey, None) => {
            Err("it is an API key: say in which header or query parameter it goes, e.g. `\"header\": \"X-Api-Key\"`"
                .to_owned())
        }
        (CredentialKind::AwsAccessKey | CredentialKind::AwsRole, None) => Err(
            "it is for AWS: say what requests are signed for, e.g. `\"region\": \"eu-central-1\", \"service\": \"s3\"`"
                .to_owned(),
        ),
        (CredentialKind::ApiKey, Some(Place::Header { .. } | Place::Query(_)))
        | (CredentialKind::AwsAccessKey | CredentialKind::AwsRole, Some(Place::Aws { .. }))
        | (CredentialKind::Basic, Some(Place::Login(Login::Etcd)))
        | (CredentialKind::Bearer, Some(Place::Login(Login::Consul { .. } | Login::Nomad { .. }))) => Ok(()),
        (_, None) => Ok(()),
        (CredentialKind::ApiKey, Some(_)) => {
            Err("it is an API key, which goes in a header or the query; name one of them".to_owned())
        }
        (kind, Some(Place::Login(login))) => {
            Err(format!("it is of type {kind}; `login` of {} is for those of type {}", login.name(), login.kind()))
        }
        (kind, Some(_)) => Err(format!(
            "it is of type {kind}, which has a place of its own; name neither header, query, region, service nor login"
        )),
    };
    fits.map_err(|reason| at(Error::invalid(format!("credential `{}`: {reason}", bound.name)), ""))?;
    let binding = Binding { credential: bound.name, place, allow_plain_http: bound.allow_plain_http };
    Ok(Authority::new(shared.vault.clone(), binding).sharing(shared.users.clone()))
}

/// Every credential, by name.
pub(crate) fn list(shared: &Shared) -> Vec<CredentialUse> {
    let view = shared.view.load();
    shared.vault.credentials().into_iter().map(|credential| with_users(&view, credential)).collect()
}

/// One credential.
pub(crate) fn show(shared: &Shared, name: &str) -> Result<CredentialUse> {
    let credential = shared.vault.credential(name).map_err(faults::vault)?;
    Ok(with_users(&shared.view.load(), credential))
}

/// The version of a credential that is used, if there is one.
pub(crate) fn current(shared: &Shared, name: &str) -> Option<u64> {
    let credential = shared.vault.credential(name).ok()?;
    let current = credential.versions.iter().find(|version| version.state == VersionState::Current);
    current.map(|version| version.version)
}

/// Makes a credential or a new version of one.
pub(crate) async fn set(shared: &Shared, name: &str, new: NewCredential) -> Result<CredentialUse> {
    add(shared, name, new).await?;
    show(shared, name)
}

/// The same; returns the version's number.
pub(crate) async fn add(shared: &Shared, name: &str, new: NewCredential) -> Result<u64> {
    let material = Material::new(new.fields.iter().map(|(name, value)| (name.as_str(), value.expose())));
    drop(new.fields);
    let state = if new.staged { VersionState::Staged } else { VersionState::Current };
    act(shared, name, "has a new version", async {
        let version = shared.vault.set_from(name, new.kind, &material, new.sources, state).await?;
        Ok((version, format!("has a new version {version}")))
    })
    .await
}

/// Makes another version the current one: the named or newest staged one.
pub(crate) async fn promote(shared: &Shared, name: &str, version: Option<u64>) -> Result<CredentialUse> {
    let which = version.map_or_else(|| "its newest staged version".to_owned(), |version| format!("version {version}"));
    act(shared, name, &format!("is used in {which} from now on"), async {
        let version = shared.vault.promote(name, version).await?;
        Ok(((), format!("is used in version {version} from now on")))
    })
    .await?;
    show(shared, name)
}

/// Goes back to the version that was used before.
pub(crate) async fn roll_back(shared: &Shared, name: &str) -> Result<CredentialUse> {
    act(shared, name, "is used in its version of before again", async {
        let version = shared.vault.rollback(name).await?;
        Ok(((), format!("is used in version {version} again")))
    })
    .await?;
    show(shared, name)
}

/// Forgets what a version holds.
pub(crate) async fn revoke(shared: &Shared, name: &str, version: u64) -> Result<CredentialUse> {
    let wanted = format!("has its version {version} revoked");
    act(shared, name, &wanted, async {
        shared.vault.revoke(name, version).await?;
        Ok(((), wanted.clone()))
    })
    .await?;
    show(shared, name)
}

/// Deletes a credential that nobody uses.
pub(crate) async fn delete(shared: &Shared, name: &str) -> Result<()> {
    let used_by = show(shared, name)?.used_by;
    if !used_by.is_empty() {
        let message = format!("the credential `{name}` is used by {}; bind another there first", used_by.join(", "));
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    }
    act(shared, name, "was deleted", async {
        shared.vault.delete(name).await?;
        Ok(((), "was deleted".to_owned()))
    })
    .await?;
    issuing::deleted(shared, name).await
}

/// Does something with a credential, of which sentences without their beginning are told.
async fn act<R>(
    shared: &Shared,
    name: &str,
    wanted: &str,
    work: impl Future<Output = std::result::Result<(R, String), VaultError>>,
) -> Result<R> {
    let work = async {
        let (result, done) = work.await.map_err(faults::vault)?;
        Ok((result, format!("the credential `{name}` {done}")))
    };
    let wanted = format!("the credential `{name}` {wanted}");
    shared.act(EventKind::CredentialChanged, About::credential(name), &wanted, work).await
}

/// Does something with the vault and tells of it.
pub(crate) async fn with_vault(
    shared: &Shared,
    done: &str,
    work: impl AsyncFnOnce(&Vault) -> std::result::Result<(), VaultError>,
) -> Result<VaultStatus> {
    let wanted = format!("the vault {done}");
    let work = async {
        work(&shared.vault).await.map_err(faults::vault)?;
        Ok(((), wanted.clone()))
    };
    shared.act(EventKind::VaultChanged, About::vault(), &wanted, work).await?;
    Ok(shared.vault.status())
}

/// Seals the vault, at once: who must do that does not wait until the trail can be written.
pub(crate) async fn seal(shared: &Shared) -> Result<VaultStatus> {
    shared.vault.seal().await.map_err(faults::vault)?;
    shared.done(EventKind::VaultChanged, About::vault(), "the vault was sealed".to_owned()).await;
    Ok(shared.vault.status())
}

/// Makes the vault.
pub(crate) async fn init(shared: &Shared, source: NewSource) -> Result<VaultStatus> {
    with_vault(shared, "was made", async |vault| vault.init(source).await).await
}

pub(crate) async fn changed(shared: &Shared, name: &str, what: &str) -> Result<CredentialUse> {
    let message = format!("the credential `{name}` {what}");
    shared.done(EventKind::CredentialChanged, About::credential(name), message).await;
    show(shared, name)
}

fn with_users(view: &View, credential: CredentialInfo) -> CredentialUse {
    let mut used_by = Vec::new();
    for integration in view.integrations.values() {
        // Also what is set for endpoints that only another version has: it may be gone back to.
        let IntegrationRecord { endpoints, set_aside, .. } = &integration.record;
        for (endpoint, settings) in endpoints.iter().chain(set_aside) {
            if settings.credential.as_ref().is_some_and(|bound| bound.name == credential.name) {
                used_by.push(format!("{}/{endpoint}", integration.name));
            }
        }
    }
    CredentialUse { credential, used_by }
}
