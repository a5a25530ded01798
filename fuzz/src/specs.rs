//! What operators write at a command line to name a sink, a server that credentials come from, or a command: `sink …`, `bao …`,
//! `command …`. What is taken is what it looks like; what is refused is told in a short line without control characters, and of a
//! sink without what was written, since the commonest mistake is a token in it.

use jackfield_core::{BaoServer, Sink, SourceCommand};
use jackfield_gateway::net::Address;

/// The longest words for what is wrong.
const MOST: usize = 600;
/// What shorter texts are found anywhere.
const TELLING: usize = 12;

/// Checks what names a sink, a server or a command.
pub fn check(input: &[u8]) {
    let Some((kind, text)) = crate::text(input).and_then(|text| text.split_once(' ')) else { return };
    match kind {
        "sink" => sink(text),
        "bao" => bao(text),
        "command" => command(text),
        _ => {}
    }
}

fn sink(text: &str) {
    match text.parse::<Sink>() {
        Ok(sink) => {
            assert!((1..=255).contains(&sink.name().len()) && !sink.name().contains(char::is_control));
            let asked = matches!(sink.kind(), "otlp" | "webhook");
            assert!(!asked || !sink.name().contains('@'), "a user in {:?}", sink.name());
            assert!(text.starts_with(sink.kind()));
        }
        Err(error) => {
            let words = error.to_string();
            is_plain(&words);
            let written = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= TELLING);
            for word in written {
                assert!(!words.contains(word), "{word:?} is repeated: {words}");
            }
        }
    }
}

fn bao(text: &str) {
    match text.parse::<BaoServer>() {
        Ok(server) => {
            let address = Address::parse(&server.address).expect("its address is one");
            assert!(address.is_tls() || address.is_loopback(), "secrets would travel in clear from {address}");
            assert!(!server.read.is_empty() || !server.write.is_empty());
            for path in server.read.iter().chain(&server.write) {
                let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(char::is_control);
                assert!(path.split('/').all(plain), "{path:?}");
            }
        }
        Err(error) => is_plain(&error),
    }
}

fn command(text: &str) {
    match text.parse::<SourceCommand>() {
        Ok(command) => {
            assert!(command.program.is_absolute() && command.program.file_name().is_some(), "{:?}", command.program);
            assert!(!command.name.is_empty() && command.args.iter().all(|argument| !argument.is_empty()));
        }
        Err(error) => is_plain(&error),
    }
}

fn is_plain(words: &str) {
    assert!(!words.is_empty() && words.len() <= MOST, "{} bytes of words", words.len());
    assert!(!words.contains(char::is_control), "{words:?}");
}
