//! `jackfield credential issue` and `issuer`.

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    Context,
    credential::{path, rotated},
};
use crate::{
    api::Request,
    args::{IssueArgs, IssuerArgs},
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, printable, rfc3339_of},
    params::{Assignment, Given},
};

pub(super) async fn issue(context: &Context, args: IssueArgs) -> Result<(), Failure> {
    let style = context.ui.style;
    let at = format!("{}/issuer", path(&args.name));
    let request = match &args.by {
        Some(integration) => {
            let mut body = json!({
                "integration": integration, "type": args.kind, "parameters": parameters(&args.parameters)?,
            });
            if let Some(every) = args.every {
                body["every-s"] = every.as_secs().into();
            }
            Request::new(Method::PUT, at).json(&body)?
        }
        None => Request::new(Method::POST, format!("{at}/rotate")),
    };
    context.show(request, |rotation| rotated(rotation, true, style)).await
}

pub(super) async fn issuer(context: &Context, args: IssuerArgs) -> Result<(), Failure> {
    let style = context.ui.style;
    let at = format!("{}/issuer", path(&args.name));
    if args.remove {
        let name = printable(&args.name);
        let request = Request::new(Method::DELETE, at);
        return context.show(request, |_| format!("credential {name} is made by no plugin any more\n")).await;
    }
    context.show(Request::get(at), |info| show(info, style)).await
}

/// What the plugin is told. Nobody but the plugin knows what its parameters are, so a text is a text.
fn parameters(written: &[String]) -> Result<Map<String, Value>, Failure> {
    let usage = |error: crate::params::ParamError| Failure::Usage(error.to_string());
    let mut all = Map::new();
    for Assignment { path, given } in Assignment::read_all(written, false).map_err(usage)? {
        let value = match given {
            Given::Json(value) => value,
            Given::Text(text) => text.into(),
            Given::File(bytes) => String::from_utf8(bytes)
                .map_err(|_| Failure::Usage(format!("`{path}`: the file holds no text")))?
                .into(),
        };
        if all.insert(path.clone(), value).is_some() {
            return Err(Failure::Usage(format!("`{path}` is given twice; a list is `{path}:=[…]`")));
        }
    }
    Ok(all)
}

fn show(info: &Tree, style: Style) -> String {
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| facts.row([Cell::from(name), Cell::from(value)]);
    if let Some(settings) = info.get("settings") {
        fact("made by", settings.text("integration"));
        fact("type", settings.text("type"));
        fact("parameters", &settings.get("parameters").map(ToString::to_string).unwrap_or_default());
        if let Some(every) = settings.get("every-s") {
            fact("every", &format!("{every} s"));
        }
    }
    fact("next", &rfc3339_of(info, "due-at"));
    if let Some(failed) = info.get("failed") {
        fact("failed", failed.text("message"));
        fact("tried again", &rfc3339_of(failed, "again-at"));
    }
    let mut out = facts.render(Style { width: None, ..style });
    let mut table = Table::new(["handle", "version", "made", "ends", "state"]);
    for issued in info.list("issued") {
        let withdrawn = issued.get("withdrawn").is_some_and(|value| value.to_string() == "true");
        let state = match (withdrawn, issued.get("failed")) {
            (false, _) => "used".to_owned(),
            (true, None) => "to be taken back".to_owned(),
            (true, Some(failed)) => printable(failed.text("message")).into_owned(),
        };
        table.row([
            Cell::from(issued.text("handle")),
            Cell::from(issued.get("version").map(ToString::to_string).unwrap_or_default()),
            Cell::from(rfc3339_of(issued, "made-at")),
            Cell::from(rfc3339_of(issued, "ends-at")),
            Cell::from(state).coloured(withdrawn.then_some(Colour::Bad)),
        ]);
    }
    if !table.is_empty() {
        out.push('\n');
        out.push_str(&table.render(style));
    }
    out
}
