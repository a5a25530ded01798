//! `jackfield call`: the parameters become a JSON body, the body a `POST`. The operation's schema is asked for only where
//! something depends on it: `k=v`, `--dry-run`, and the bytes in a table.

use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use super::{
    Context, json_argument,
    offered::{self, Deprecated, Operation},
    quoted, reads_stdin,
};
use crate::{
    api::{Api, Request, segment},
    args::{CallArgs, Format},
    failure::Failure,
    output,
    params::{Assignment, merge},
    schema::Schema,
};

pub(super) async fn run(context: &Context, args: CallArgs) -> Result<(), Failure> {
    let (capability, Some(name)) = offered::split(&args.operation) else {
        return Err(Failure::Usage(format!(
            "`{}` names no operation; write CAPABILITY.OPERATION, e.g. `key-value.get` (`jackfield capability list` shows all)",
            args.operation
        )));
    };
    let base = args.json.as_deref().map(|text| json_argument("--json", text)).transpose()?.unwrap_or_default();
    let assignments = Assignment::read_all(&args.params, reads_stdin(args.json.as_deref()))?;
    let request = request(&args, capability, name)?;

    let cassettes = args.cassette.of(&args.integration);
    let (answer, operation) = context
        .recording(&cassettes, async |api| {
            let operation = known(context, api, &args, capability, name).await?;
            let body = match &operation {
                Some(operation) => body(operation, capability, base, &assignments, args.dry_run)?,
                None => base,
            };
            Ok((api.request(request.json(&Value::Object(body))?).await?, operation))
        })
        .await?;

    let mut next = String::new();
    context.ui.answer(&answer.body, |tree| {
        tree.text("next").clone_into(&mut next);
        let schema = operation.as_ref().map(|operation| Schema::new(&operation.response_schema));
        output::answer(tree, schema, context.ui.style)
    })?;
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    // On standard error, where a script's author sees it and what reads the answer does not.
    if let Some(deprecated) = Deprecated::of(&answer.headers) {
        context.ui.say(&format!("warning: {} is {deprecated}", quoted(&args.operation)));
    }
    if let Some(key) = header("idempotency-key") {
        context.ui.detail(&format!("the write's idempotency key is {}", quoted(key)));
    }
    if header("idempotency-replayed").is_some() {
        context.ui.note("this write was carried out before, under the same key; this is what was answered then");
    }
    // Not even a program is to take a recorded answer for one.
    cassettes.told().for_each(|told| context.ui.say(&told));
    if args.dry_run {
        context.ui.note("a dry run: nothing was changed");
    }
    if !next.is_empty() {
        context.ui.note(&format!("there is more: add {}", quoted(&format!("page.cursor={next}"))));
    }
    Ok(())
}

fn request(args: &CallArgs, capability: &str, name: &str) -> Result<Request, Failure> {
    let path = format!("/v1/integrations/{}/{}/{}", segment(&args.integration), segment(capability), segment(name));
    let mut request = Request::new(Method::POST, path);
    if let Some(key) = &args.idempotency_key {
        let value = HeaderValue::from_str(key)
            .map_err(|_| Failure::Usage("--idempotency-key holds characters that are not printable ASCII".into()))?;
        request = request.header(HeaderName::from_static("idempotency-key"), value);
    }
    if let Some(timeout) = args.timeout {
        let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        request = request.header(HeaderName::from_static("jackfield-timeout-ms"), HeaderValue::from(ms));
    }
    Ok(request)
}

/// What the API says of the operation, where anything depends on it.
async fn known(
    context: &Context,
    api: &Api,
    args: &CallArgs,
    capability: &str,
    name: &str,
) -> Result<Option<Operation>, Failure> {
    let needed = !args.params.is_empty() || args.dry_run;
    if !needed && context.ui.format != Format::Table {
        return Ok(None);
    }
    let found = offered::capability(api, capability).await.and_then(|mut found| {
        found.operation(name)?;
        found.operations.retain(|operation| operation.name == name);
        Ok(found.operations.pop())
    });
    // For the look of a table alone nothing fails: the call itself says best what is wrong.
    if needed { found } else { Ok(found.unwrap_or_default()) }
}

fn body(
    operation: &Operation,
    capability: &str,
    mut base: Map<String, Value>,
    assignments: &[Assignment],
    dry_run: bool,
) -> Result<Map<String, Value>, Failure> {
    let schema = Schema::new(&operation.request_schema);
    merge(schema, &mut base, operation.body(capability, assignments)?);
    if dry_run {
        let Some(options) = operation.options() else {
            return Err(Failure::Usage(format!(
                "`{capability}.{}` is a read and changes nothing; --dry-run is for writes",
                operation.name
            )));
        };
        let dry = Map::from_iter([("dry-run".to_owned(), Value::Bool(true))]);
        merge(schema, &mut base, Map::from_iter([(options.to_owned(), Value::Object(dry))]));
    }
    Ok(base)
}
