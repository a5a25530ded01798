//! `jackfield watch` and `jackfield events`: a stream printed as it comes. A change is one line for people and one line of
//! JSON for programs.

use serde_json::{Value, json};

use super::{
    Context,
    offered::{self, Operation},
    quoted,
};
use crate::{
    api::{Api, Follow, Query, Update, segment},
    args::{EventsArgs, Format, WatchArgs},
    failure::Failure,
    output::{Tree, cell, printable, rfc3339_of},
    params::Assignment,
    schema::{Kind, Schema},
};

/// The parameters that the host sets while it follows a feed.
const LOOP: [&str; 2] = ["cursor", "wait-ms"];

pub(super) async fn run(context: &Context, args: WatchArgs) -> Result<(), Failure> {
    let assignments = Assignment::read_all(&args.params, false)?;
    if let Some(own) = assignments.iter().find(|assignment| LOOP.contains(&assignment.path.as_str())) {
        return Err(Failure::Usage(format!("`{}` is set while watching; --from says where to go on", own.path)));
    }
    let api = context.open().await?;
    let (path, operation) = match feed(&api, &args, &assignments).await {
        Ok(found) => found,
        Err(failure) => {
            api.close().await;
            return Err(failure);
        }
    };
    if let Some(deprecated) = &operation.deprecated {
        context.ui.say(&format!("warning: {} is {deprecated}", quoted(&args.capability)));
    }
    let schema = operation.change_schema();
    let format = context.ui.format;
    let mut count = 0;
    let line = |data: &str, cursor: Option<&str>| {
        let text = change_line(format, data, cursor, args.cursors, schema)?;
        context.ui.print(&text)?;
        count += 1;
        Ok(args.count != Some(count))
    };
    let position = follow(context, api, path, args.from.clone(), args.retry_for, line).await?;
    if let Some(position) = position {
        context.ui.note(&format!("to go on from here: --from {}", quoted(&position)));
    }
    Ok(())
}

pub(super) async fn events(context: &Context, args: &EventsArgs) -> Result<(), Failure> {
    let api = context.open().await?;
    if matches!(api, Api::Embedded(_)) {
        context
            .ui
            .say("no server runs on the data folder, so nothing will happen here; start one with `jackfield serve`");
    }
    let line = |data: &str, _: Option<&str>| {
        let text = match context.ui.format {
            Format::Table => event_line(data),
            format => structured(format, data)?,
        };
        context.ui.print(&text).map(|()| true)
    };
    follow(context, api, "/v1/events".into(), None, args.retry_for, line).await.map(|_| ())
}

/// Prints a stream until Ctrl-C, or until `line` has enough; the position reached.
async fn follow(
    context: &Context,
    api: Api,
    path: String,
    from: Option<String>,
    patience: std::time::Duration,
    mut line: impl FnMut(&str, Option<&str>) -> Result<bool, Failure>,
) -> Result<Option<String>, Failure> {
    let mut stream = match Follow::open(api, path, from, patience).await {
        Ok(stream) => stream,
        Err((api, failure)) => {
            api.close().await;
            return Err(failure);
        }
    };
    let mut stop = std::pin::pin!(super::serve::stop_signal());
    let outcome = loop {
        let update = tokio::select! {
            biased;
            () = &mut stop => break Ok(()),
            update = stream.next() => update,
        };
        match update {
            Ok(Update::Event(event)) => match event.data.as_deref().map(|data| line(data, event.id.as_deref())) {
                None | Some(Ok(true)) => {}
                Some(Ok(false)) => break Ok(()),
                Some(Err(failure)) => break Err(failure),
            },
            Ok(Update::Lost(why)) => context.ui.say(&format!("interrupted: {why}; trying again")),
            Err(failure) => break Err(failure),
        }
    };
    let position = stream.position().map(str::to_owned);
    stream.into_api().close().await;
    outcome.map(|()| position)
}

/// The feed's path with its parameters, and what is known of it.
async fn feed(api: &Api, args: &WatchArgs, assignments: &[Assignment]) -> Result<(String, Operation), Failure> {
    let (capability, name) = offered::split(&args.capability);
    let mut found = offered::capability(api, capability).await?;
    let name = found.feed(name)?.name.clone();
    found.operations.retain(|operation| operation.name == name);
    let Some(operation) = found.operations.pop() else {
        return Err(Failure::Failed(format!("the capability `{capability}` has no change feed to watch")));
    };
    let mut params = operation.body(capability, assignments)?;
    // What narrows a feed down, a prefix say, may be left out: the empty text narrows nothing.
    let required = operation.request_schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if Schema::new(&operation.request_schema).member(name).is_some_and(|schema| matches!(schema.kind(), Kind::Text))
        {
            params.entry(name).or_insert_with(|| Value::String(String::new()));
        }
    }
    let mut query = Query::default();
    for (name, value) in &params {
        match value {
            Value::String(text) => query.add(name, text),
            other => query.add(name, &other.to_string()),
        }
    }
    let path = format!(
        "/v1/integrations/{}/{}/{}{}",
        segment(&args.integration),
        segment(capability),
        segment(&operation.name),
        query.as_str()
    );
    Ok((path, operation))
}

fn change_line(
    format: Format,
    data: &str,
    cursor: Option<&str>,
    with_cursor: bool,
    schema: Option<Schema<'_>>,
) -> Result<String, Failure> {
    match format {
        Format::Table => {
            let change = change_text(&parse(data)?, schema);
            Ok(match cursor.filter(|_| with_cursor) {
                Some(cursor) => format!("{change}  cursor={}\n", printable(cursor)),
                None => format!("{change}\n"),
            })
        }
        // The change's own bytes stay as they are.
        format if with_cursor => structured(format, &format!("{{\"cursor\":{},\"change\":{data}}}", json!(cursor))),
        format => structured(format, data),
    }
}

/// One JSON text a line, or one YAML document.
fn structured(format: Format, data: &str) -> Result<String, Failure> {
    if format != Format::Yaml {
        // An event's data may have line breaks only between its tokens.
        return Ok(format!("{}\n", data.replace('\n', "")));
    }
    let text = serde_norway::to_string(&parse(data)?);
    text.map(|text| format!("---\n{text}")).map_err(|e| Failure::Failed(format!("the change has no form in YAML: {e}")))
}

fn parse(data: &str) -> Result<Tree, Failure> {
    serde_json::from_str(data).map_err(|e| Failure::Failed(format!("a change is not JSON: {e}")))
}

/// `put  key=a value=hello revision=5`
fn change_text(change: &Tree, schema: Option<Schema<'_>>) -> String {
    let (case, value, schema) = match change.members() {
        [(case, value)] => (Some(case), value, schema.and_then(|schema| schema.member(case))),
        _ => (None, change, schema),
    };
    let mut words: Vec<String> = case.into_iter().map(|case| printable(case).into_owned()).collect();
    match value {
        Tree::Object(members) => {
            for (name, value) in members {
                let text = cell(value, schema.and_then(|schema| schema.member(name)));
                words.push(format!("{}={}", printable(name), word(&text)));
            }
        }
        Tree::Null => {}
        other => words.push(word(&cell(other, schema))),
    }
    words.join(" ")
}

/// A text as one word: quoted where it holds white space, or is empty.
fn word(text: &str) -> String {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '"') {
        return Value::from(&*printable(text)).to_string();
    }
    printable(text).into_owned()
}

fn event_line(data: &str) -> String {
    let Ok(event) = serde_json::from_str::<Tree>(data) else { return format!("{}\n", printable(data)) };
    if let Some(missed) = event.number("missed") {
        return format!("({missed} events were missed)\n");
    }
    let subject = [event.text("integration"), event.text("plugin")].into_iter().find(|name| !name.is_empty());
    format!(
        "{}  {:<20}  {:<16}  {}\n",
        rfc3339_of(&event, "at"),
        printable(event.text("kind")),
        printable(subject.unwrap_or("-")),
        printable(event.text("message"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_with_its_case_first_and_bytes_as_text() {
        let bytes = json!({"type": "string", "contentEncoding": "base64"});
        let put = json!({"type": "object", "properties": {"key": {"type": "string"}, "value": bytes}});
        let case = json!({"type": "object", "properties": {"put": put}, "required": ["put"]});
        let schema = json!({"oneOf": [case]});
        let line = |data: &str| change_line(Format::Table, data, Some("c"), false, Some(Schema::new(&schema))).unwrap();
        assert_eq!(
            line(r#"{"put":{"key":"a","value":"aGkgeW91","lease":null}}"#),
            "put key=a value=\"hi you\" lease=\"\"\n"
        );
        assert_eq!(line(r#"{"deleted":"a"}"#), "deleted a\n");
        assert_eq!(line(r#"{"gone":null}"#), "gone\n");
    }

    #[test]
    fn for_programs_a_change_is_its_own_bytes_on_one_line() {
        let line = |cursors| change_line(Format::Json, "{ \"a\":\n1.0}", Some("c\""), cursors, None).unwrap();
        assert_eq!(line(false), "{ \"a\":1.0}\n");
        assert_eq!(line(true), "{\"cursor\":\"c\\\"\",\"change\":{ \"a\":1.0}}\n");
    }

    #[test]
    fn an_event_tells_when_what_and_to_whom() {
        let text =
            event_line(r#"{"sequence":1,"at":0,"kind":"health-changed","integration":"pg","message":"is healthy"}"#);
        assert_eq!(text, "1970-01-01T00:00:00Z  health-changed        pg                is healthy\n");
        assert_eq!(event_line("{\"missed\":3}"), "(3 events were missed)\n");
    }
}
