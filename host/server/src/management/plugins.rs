//! Plugins: install a file, list, show, read what it holds for people, remove.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, put},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use jackfield_core::{Accept, AllowAdvisories, Digest, Evidence, NewPlugin, PinPlugin, PluginInfo, PluginText};

use serde::Deserialize;

use super::registries::{allowed, want};
use crate::{
    answer,
    paging::{self, Page},
    problem::Problem,
    request::{
        body,
        path::Segments,
        query::{self, Known},
    },
    state::App,
};

/// Where the trust policy says that an uploaded file came from.
const UPLOADED: &str = "upload";
/// The header with the signature of an uploaded file.
const SIGNATURE: &str = "jackfield-signature";

/// What a README is.
const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// Where the host takes a plugin from: a place, or the registries by its name.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Wanted {
    from: Option<String>,
    plugin: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    prereleases: bool,
}

pub(super) fn collection() -> MethodRouter<App> {
    get(list).post(install)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show).delete(remove)
}

/// The version that everybody keeps to who names none.
pub(super) fn pin() -> MethodRouter<App> {
    put(set_pin).delete(remove_pin)
}

pub(super) fn text(text: PluginText) -> MethodRouter<App> {
    get(move |State(app): State<App>, Segments(name): Segments<String>, uri: Uri| async move {
        Known::read(&uri, &[])?;
        let read = app.host.plugin_text(&name, text).await?;
        Ok::<_, Problem>(match text {
            PluginText::Readme => ([(header::CONTENT_TYPE, MARKDOWN)], read).into_response(),
            // A text answers as `text/plain; charset=utf-8`.
            PluginText::License => read.into_response(),
            PluginText::Sbom => answer::json(read.into()),
        })
    })
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<PluginInfo>>, Problem> {
    let query = Known::read(&uri, &["cursor", "limit"])?;
    paging::page(app.host.plugins(), |plugin| &plugin.id, &query).map(Json)
}

/// 201 for a file that is new here, 200 for one that is installed already: installing is idempotent.
async fn install(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let query = Known::read(
        request.uri(),
        &["accept", "allow-advisory", "allow-other-signer", "allow-unsigned", "digest", "dry-run"],
    )?;
    let allow_advisories = allowed(&query);
    let accept = query.one("accept")?.map_or(Accept::Nothing, |token| Accept::Only(token.to_owned()));
    let (allow_unsigned, allow_other_signer) = (query.flag("allow-unsigned")?, query.flag("allow-other-signer")?);
    let dry_run = query.flag("dry-run")?;
    let expect_digest: Option<Digest> = query.one("digest")?.map(str::parse).transpose().map_err(|error| {
        Problem::invalid(format!("the query parameter `digest` is {error}")).at(query::pointer("digest"))
    })?;
    let arrived = if body::is_json(&request) {
        let wanted: Wanted = body::json(request, &app.options).await?;
        fetch(&app, wanted, expect_digest, &allow_advisories).await?
    } else {
        let evidence = signatures(request.headers())?;
        NewPlugin { evidence, ..NewPlugin::file(body::plugin(request, &app.options).await?, UPLOADED) }
    };
    // A dry run tells which file is there.
    let arrived = arrived.expecting(expect_digest.filter(|_| !dry_run))?;
    let new = NewPlugin { accept, allow_unsigned, allow_other_signer, allow_advisories, ..arrived };
    if dry_run {
        return Ok(Json(app.host.plan_install(&new).await?).into_response());
    }
    let (plugin, new) = app.host.install_plugin_with(new).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = HeaderValue::from_str(&format!("/v1/plugins/{}", plugin.id))
        .map_err(|_| Problem::internal("the plugin's name cannot be in an address"))?;
    Ok((status, [(header::LOCATION, location)], Json(plugin)).into_response())
}

async fn fetch(
    app: &App,
    wanted: Wanted,
    digest: Option<Digest>,
    allow: &AllowAdvisories,
) -> Result<NewPlugin, Problem> {
    match wanted {
        Wanted { from: Some(from), plugin: None, needs, prereleases: false } if needs.is_empty() => {
            Ok(app.host.fetch_plugin(&from, digest).await?)
        }
        Wanted { from: None, plugin: Some(plugin), needs, prereleases } => {
            Ok(app.host.fetch_chosen(&want(&plugin, &needs, prereleases)?, allow.clone()).await?)
        }
        _ => Err(Problem::invalid(
            "the body has `from`, a place (`oci://…`, `https://…`), or `plugin`, a name with the versions that will do (`etcd`, `acme/etcd@^1.2`), and `needs` and `prereleases` only beside that",
        )),
    }
}

/// The signatures of an uploaded file: sigstore bundles in base64, one a header.
fn signatures(headers: &HeaderMap) -> Result<Vec<Evidence>, Problem> {
    let decoded = |value: &HeaderValue| {
        STANDARD.decode(value.as_bytes()).map(Evidence::Bundle).map_err(|_| {
            Problem::invalid(format!("the header `{SIGNATURE}` is not base64; it holds a sigstore bundle in base64"))
        })
    };
    headers.get_all(SIGNATURE).iter().map(decoded).collect()
}

async fn show(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Json<PluginInfo>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.plugin(&name)?))
}

async fn set_pin(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<PluginInfo>, Problem> {
    Known::read(request.uri(), &[])?;
    let pin: PinPlugin = body::json(request, &app.options).await?;
    Ok(Json(app.host.pin_plugin(&name, &pin.version).await?))
}

async fn remove_pin(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.unpin_plugin(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.remove_plugin(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
