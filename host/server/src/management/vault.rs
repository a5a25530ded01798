//! The vault: how it is, who opens it, whether it is open.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, delete, get, post},
};
use http::Uri;
use jackfield_core::{NewSource, Secret, VaultStatus};
use serde::Deserialize;

use crate::{
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

type Answer = Result<Json<VaultStatus>, Problem>;

pub(super) fn item() -> MethodRouter<App> {
    get(show)
}

pub(super) fn verb_init() -> MethodRouter<App> {
    post(init)
}

pub(super) fn verb_unlock() -> MethodRouter<App> {
    post(unlock)
}

pub(super) fn verb_seal() -> MethodRouter<App> {
    post(seal)
}

pub(super) fn verb_rekey() -> MethodRouter<App> {
    post(rekey)
}

pub(super) fn keys() -> MethodRouter<App> {
    post(add_key)
}

pub(super) fn key() -> MethodRouter<App> {
    delete(remove_key)
}

/// What a vault is opened with; nothing where its sources need nothing of a person.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Unlock {
    #[serde(default)]
    passphrase: Option<Secret>,
}

/// What a vault's sources are asked with, those that are passphrases.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rekey {
    #[serde(default)]
    passphrases: Vec<Secret>,
}

async fn show(State(app): State<App>, uri: Uri) -> Answer {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.vault()))
}

async fn init(State(app): State<App>, request: Request) -> Answer {
    Known::read(request.uri(), &[])?;
    let source: NewSource = body::json(request, &app.options).await?;
    Ok(Json(app.host.init_vault(source).await?))
}

async fn unlock(State(app): State<App>, request: Request) -> Answer {
    Known::read(request.uri(), &[])?;
    let unlock: Unlock = body::json(request, &app.options).await?;
    Ok(Json(app.host.unlock_vault(unlock.passphrase).await?))
}

async fn seal(State(app): State<App>, request: Request) -> Answer {
    Known::read(request.uri(), &[])?;
    Ok(Json(app.host.seal_vault().await?))
}

async fn rekey(State(app): State<App>, request: Request) -> Answer {
    Known::read(request.uri(), &[])?;
    let rekey: Rekey = body::json(request, &app.options).await?;
    Ok(Json(app.host.rekey_vault(rekey.passphrases).await?))
}

async fn add_key(State(app): State<App>, request: Request) -> Answer {
    Known::read(request.uri(), &[])?;
    let source: NewSource = body::json(request, &app.options).await?;
    Ok(Json(app.host.add_vault_key(source).await?))
}

async fn remove_key(State(app): State<App>, Segments(id): Segments<String>, uri: Uri) -> Answer {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.remove_vault_key(&id).await?))
}
