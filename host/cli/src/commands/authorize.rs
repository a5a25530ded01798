//! `jackfield credential authorize`: shows a person what he needs in order to consent, and waits for what comes of it. By
//! browser, that comes back to a port of this machine (RFC 8252, 7.3), which is open for as long as this takes; what it
//! brings goes to the host as it is, which alone can redeem it.

use std::time::Duration;

use http::Method;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::Context;
use crate::{
    api::{Api, Request, Response, segment},
    args::AuthorizeArgs,
    failure::Failure,
    output::{Tree, printable},
};

/// How often the host is asked what came of it.
const LOOK: Duration = Duration::from_secs(1);
/// How long a browser may take to say where it was sent.
const READING: Duration = Duration::from_secs(5);
/// The longest head of a browser's request, in bytes.
const MOST: usize = 32 << 10;
/// Where it comes back to.
const PATH: &str = "/callback";

pub(super) async fn run(context: &Context, args: AuthorizeArgs) -> Result<(), Failure> {
    let body = context.with(async |api| consent(context, api, &args).await).await?;
    let mut given = true;
    context.ui.answer(&body, |consent| {
        given = consent.text("state") == "given";
        told(consent)
    })?;
    // A program that asked for JSON is told by the exit code as well.
    let consent: Value = serde_json::from_slice(&body).unwrap_or_default();
    if given && consent["state"] == "given" { Ok(()) } else { Err(Failure::Told) }
}

fn told(consent: &Tree) -> String {
    let name = printable(consent.text("credential"));
    match consent.number("version") {
        Some(version) => format!("the credential {name} is used in version {version}, which the consent is for\n"),
        None => format!("there is no consent for the credential {name}: {}\n", printable(consent.text("message"))),
    }
}

async fn consent(context: &Context, api: &Api, args: &AuthorizeArgs) -> Result<bytes::Bytes, Failure> {
    let by = args.by.as_deref();
    let listener = match by {
        Some("device") => None,
        _ => Some(listen(args.port).await?),
    };
    let redirect_uri = listener.as_ref().map(|(_, port)| format!("http://127.0.0.1:{port}{PATH}"));
    let path = format!("/v1/credentials/{}/authorize", segment(&args.name));
    let new = json!({"method": by, "redirect-uri": redirect_uri});
    let Response { body, .. } = api.request(Request::new(Method::POST, path.as_str()).json(&new)?).await?;
    let begun: Value = read(&body)?;
    let text = |name: &str| begun[name].as_str().unwrap_or_default();
    let item = format!("{path}/{}", segment(text("id")));
    if text("method") == "browser"
        && let Some((listener, _)) = listener
    {
        let url = text("authorization-url");
        context.ui.say(&format!("open this address in a browser on this machine, and consent:\n\n  {url}\n"));
        return by_browser(api, &item, &listener, state_of(url).as_deref()).await;
    }
    let complete = match text("verification-uri-complete") {
        "" => String::new(),
        complete => format!("\nor open {complete}, and compare the code"),
    };
    context.ui.say(&format!(
        "open {} in any browser, and type the code\n\n  {}\n{complete}",
        text("verification-uri"),
        text("user-code")
    ));
    loop {
        sleep(LOOK).await;
        if let Some(ended) = ended(api, &item).await? {
            return Ok(ended);
        }
    }
}

/// What came of a consent, if anything yet.
async fn ended(api: &Api, item: &str) -> Result<Option<bytes::Bytes>, Failure> {
    let Response { body, .. } = api.request(Request::get(item)).await?;
    let consent: Value = read(&body)?;
    Ok((consent["state"] != "pending").then_some(body))
}

fn read(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::Failed(format!("the answer is not JSON ({error}); is it Jackfield that answers?")))
}

async fn listen(port: u16) -> Result<(TcpListener, u16), Failure> {
    let unheard = |error: std::io::Error| {
        Failure::Failed(format!("no browser could come back to 127.0.0.1:{port}: {error}; try another --port"))
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(unheard)?;
    let port = listener.local_addr().map_err(unheard)?.port();
    Ok((listener, port))
}

/// Waits until the browser comes back, and ends the consent with what it brings.
async fn by_browser(
    api: &Api,
    item: &str,
    listener: &TcpListener,
    state: Option<&str>,
) -> Result<bytes::Bytes, Failure> {
    loop {
        let accepted = timeout(LOOK, listener.accept()).await;
        let Ok(Ok((mut stream, _))) = accepted else {
            if let Some(ended) = ended(api, item).await? {
                return Ok(ended);
            }
            continue;
        };
        let Ok(Some(query)) = timeout(READING, asked(&mut stream)).await else { continue };
        let answer = parameters(&query);
        // Whatever else comes by here is nobody's answer, and must not end the consent.
        if answer.get("state").and_then(Value::as_str) != state {
            say(&mut stream, "404 Not Found", "This is not the answer that is waited for.").await;
            continue;
        }
        let completed = api.request(Request::new(Method::POST, item).json(&Value::Object(answer))?).await;
        let given = completed.as_ref().is_ok_and(|response| {
            serde_json::from_slice::<Value>(&response.body).is_ok_and(|consent| consent["state"] == "given")
        });
        let words = match given {
            true => "Jackfield has the consent. This window can be closed.",
            false => "There is no consent. The terminal says why.",
        };
        say(&mut stream, "200 OK", words).await;
        return completed.map(|response| response.body);
    }
}

/// The query that a browser asks for, if it asks for what it was sent to.
async fn asked(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::with_capacity(MOST);
    let mut piece = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let len = stream.read(&mut piece).await.ok().filter(|len| *len > 0)?;
        head.extend_from_slice(piece.get(..len)?);
        if head.len() > MOST {
            return None;
        }
    }
    let line = head.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.split(' ').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != PATH {
        say(stream, "404 Not Found", "There is nothing here.").await;
        return None;
    }
    Some(query.to_owned())
}

async fn say(stream: &mut TcpStream, status: &str, words: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{words}",
        words.len()
    );
    // Whoever is gone needs no answer.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// What the host wants to know of a query, decoded as forms are.
fn parameters(query: &str) -> Map<String, Value> {
    let mut found = Map::new();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let name = match name {
            "state" | "code" | "error" | "iss" => name,
            "error_description" => "error-description",
            _ => continue,
        };
        found.insert(name.to_owned(), decoded(value).into());
    }
    found
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The state in the address that the browser is sent to.
fn state_of(url: &str) -> Option<String> {
    url.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")).map(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_brings_back_is_read_as_forms_are() {
        let found =
            parameters("code=a%2Fb&state=x-y&iss=https%3A%2F%2Fid.example&error_description=no+way&session_state=z");
        let expected =
            json!({"code": "a/b", "state": "x-y", "iss": "https://id.example", "error-description": "no way"});
        assert_eq!(Value::Object(found), expected);
        assert_eq!(state_of("https://id.example/a?prompt=consent&state=x-y&scope=z").as_deref(), Some("x-y"));
    }

    #[tokio::test]
    async fn only_what_a_browser_was_sent_to_is_listened_to() {
        let (listener, port) = listen(0).await.unwrap();
        for (request, heard) in [
            ("GET /callback?code=1&state=2 HTTP/1.1\r\nHost: x\r\n\r\n", Some("code=1&state=2")),
            ("GET /favicon.ico HTTP/1.1\r\n\r\n", None),
            ("POST /callback?code=1 HTTP/1.1\r\n\r\n", None),
        ] {
            let mut browser = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            browser.write_all(request.as_bytes()).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(asked(&mut stream).await.as_deref(), heard, "{request}");
        }
    }
}
