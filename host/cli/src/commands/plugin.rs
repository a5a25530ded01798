//! `jackfield plugin`: install, list, show, remove; packing is in [`super::pack`].

use std::path::Path;

use http::{Method, StatusCode};

use super::{Context, pack, plugin_views as views, read_stdin};
use crate::{
    api::{Query, Request, segment},
    args::PluginVerb,
    failure::Failure,
    output::printable,
};

pub(super) async fn run(context: &Context, verb: PluginVerb) -> Result<(), Failure> {
    match verb {
        PluginVerb::Install { file } => install(context, &file).await,
        PluginVerb::List(page) => {
            let mut query = Query::default();
            query.add_some("limit", page.limit);
            query.add_some("cursor", page.cursor);
            let request = Request::get(format!("/v1/plugins{}", query.as_str()));
            context.show_page(request, |items| views::list(items, context.ui.style)).await
        }
        PluginVerb::Show { name } => {
            let request = Request::get(format!("/v1/plugins/{}", segment(&name)));
            context.show(request, |plugin| views::show(plugin, context.ui.style)).await
        }
        PluginVerb::Remove { name } => {
            let request = Request::new(Method::DELETE, format!("/v1/plugins/{}", segment(&name)));
            context.show(request, |_| format!("removed plugin {}\n", printable(&name))).await
        }
        PluginVerb::Pack(args) => pack::run(context, &args),
    }
}

async fn install(context: &Context, file: &Path) -> Result<(), Failure> {
    let bytes = if file == Path::new("-") { read_stdin() } else { std::fs::read(file) };
    let bytes = bytes.map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", file.display())))?;
    let request = Request::new(Method::POST, "/v1/plugins").body("application/wasm", bytes);
    let answer = context.with(async |api| api.request(request).await).await?;
    let new = answer.status == StatusCode::CREATED;
    let mut next = None;
    context.ui.answer(&answer.body, |plugin| {
        if new && plugin.list("integrations").is_empty() {
            next = Some(views::how_to_add(plugin));
        }
        views::installed(plugin, new)
    })?;
    if let Some(next) = next {
        context.ui.note(&next);
    }
    Ok(())
}
