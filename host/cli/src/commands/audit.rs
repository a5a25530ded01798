//! `jackfield audit`: show, take away and verify what was done, and show where it is sent besides.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use http_body_util::BodyExt as _;
use jackfield_core::{Expectations, Head, verify_audit};
use serde_json::json;

use super::Context;
use crate::{
    api::{Api, Query, Request},
    args::AuditVerb,
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, rfc3339_of},
};

pub(super) async fn run(context: &Context, verb: AuditVerb) -> Result<(), Failure> {
    match verb {
        AuditVerb::Tail { limit, before, contains } => {
            let mut query = Query::default();
            query.add("limit", &limit.to_string());
            query.add_some("before", before);
            contains.iter().for_each(|text| query.add("contains", text));
            let request = Request::get(format!("/v1/audit{}", query.as_str()));
            context.show(request, |page| tail(page, context.ui.style)).await
        }
        AuditVerb::Export { file } if file == Path::new("-") => {
            context.with(async |api| export(api, &mut std::io::stdout()).await).await
        }
        AuditVerb::Export { file } => {
            let unwritable = |error: std::io::Error| Failure::Failed(format!("{}: {error}", file.display()));
            let mut target = File::create(&file).map_err(unwritable)?;
            context.with(async |api| export(api, &mut target).await).await?;
            target.sync_all().map_err(unwritable)
        }
        AuditVerb::Sinks => {
            context.show(Request::get("/v1/audit/sinks"), |sinks| show_sinks(sinks, context.ui.style)).await
        }
        AuditVerb::Verify { file, key, head, open } => {
            let expected = Expectations { key, head: head.as_deref().map(parse_head).transpose()?, open };
            match file {
                Some(file) => {
                    let unreadable = |error| Failure::Usage(format!("{} cannot be read: {error}", file.display()));
                    verify(context, BufReader::new(File::open(&file).map_err(unreadable)?), &expected)
                }
                None => {
                    // Through a file, since a trail may be longer than memory is large.
                    let unwritable = |error: std::io::Error| Failure::Failed(format!("no temporary file: {error}"));
                    let mut file = tempfile::tempfile().map_err(unwritable)?;
                    context.with(async |api| export(api, &mut file).await).await?;
                    std::io::Seek::rewind(&mut file).map_err(unwritable)?;
                    verify(context, BufReader::new(file), &expected)
                }
            }
        }
    }
}

async fn export(api: &Api, target: &mut impl std::io::Write) -> Result<(), Failure> {
    let mut body = api.download(Request::get("/v1/audit/export")).await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Failed(format!("the trail broke off: {error}")))?;
        if let Some(piece) = frame.data_ref() {
            target.write_all(piece).map_err(|error| match error.kind() {
                std::io::ErrorKind::BrokenPipe => Failure::OutputClosed,
                _ => Failure::Failed(format!("the trail cannot be written: {error}")),
            })?;
        }
    }
    target.flush().map_err(|error| Failure::Failed(format!("the trail cannot be written: {error}")))
}

fn verify(context: &Context, trail: impl BufRead, expected: &Expectations) -> Result<(), Failure> {
    let verified =
        verify_audit(trail, expected).map_err(|fault| Failure::Failed(format!("the trail is not whole: {fault}")))?;
    let head = format!("{}:{}", verified.head.seq, verified.head.hash);
    let answer = json!({
        "chain": verified.chain, "key": verified.key, "first": verified.first, "records": verified.records,
        "checkpoints": verified.checkpoints, "signed": verified.signed, "head": head,
    });
    context.ui.answer(answer.to_string().as_bytes(), |answer| {
        let mut facts = Table::plain();
        let number = |name: &str| answer.get(name).map(ToString::to_string).unwrap_or_default();
        facts.row([Cell::from("the trail is whole"), Cell::from(format!("{} records", number("records")))]);
        facts.row([Cell::from("signed with"), Cell::from(answer.text("key"))]);
        facts.row([Cell::from("checkpoints"), Cell::from(number("checkpoints"))]);
        // Of a trail that goes on, the latest records wait for a signature.
        if verified.signed < verified.head.seq {
            let signed = match verified.signed {
                0 => "nothing yet".to_owned(),
                seq => format!("up to record {seq}"),
            };
            facts.row([Cell::from("signed"), Cell::from(signed)]);
        }
        facts.row([Cell::from("head"), Cell::from(answer.text("head"))]);
        facts.render(Style { width: None, ..context.ui.style })
    })
}

fn parse_head(text: &str) -> Result<Head, Failure> {
    let head =
        text.split_once(':').and_then(|(seq, hash)| Some(Head { seq: seq.parse().ok()?, hash: hash.to_owned() }));
    head.ok_or_else(|| {
        Failure::Usage(format!("--head: `{text}` is no NUMBER:HASH, as `jackfield audit verify` prints it"))
    })
}

fn show_sinks(sinks: &Tree, style: Style) -> String {
    let mut table = Table::new(["sink", "kind", "state", "since", "sent", "head", "lost", "last error"]);
    for sink in sinks.list("items") {
        let state = sink.text("state");
        let colour = match state {
            "ok" => Colour::Good,
            "retrying" => Colour::Middling,
            _ => Colour::Bad,
        };
        let number = |name: &str| Cell::from(sink.get(name).map(ToString::to_string).unwrap_or_default());
        table.row([
            Cell::from(sink.text("name")),
            Cell::from(sink.text("kind")),
            Cell::from(state).coloured(Some(colour)),
            Cell::from(rfc3339_of(sink, "since")),
            number("sent"),
            number("head"),
            number("lost"),
            Cell::from(sink.get("last-error").map(|error| error.text("message")).unwrap_or_default()),
        ]);
    }
    match table.is_empty() {
        true => "(none; `jackfield serve --audit-sink` adds one)\n".into(),
        false => table.render(style),
    }
}

fn tail(page: &Tree, style: Style) -> String {
    let mut table = Table::new(["number", "when", "kind", "who", "action", "target", "result", "what"]);
    for record in page.list("items").iter().rev() {
        let result = record.get("outcome").map(|outcome| outcome.text("result")).unwrap_or_default();
        let colour = match result {
            "ok" => Some(Colour::Good),
            "error" => Some(Colour::Bad),
            "unknown" => Some(Colour::Middling),
            _ => None,
        };
        table.row([
            Cell::from(record.get("seq").map(ToString::to_string).unwrap_or_default()),
            Cell::from(rfc3339_of(record, "at")),
            Cell::from(record.text("kind")),
            Cell::from(record.text("subject")),
            Cell::from(record.text("action")),
            Cell::from(record.text("target")),
            Cell::from(result).coloured(colour),
            Cell::from(record.text("message")),
        ]);
    }
    if table.is_empty() { "(nothing)\n".into() } else { table.render(style) }
}
