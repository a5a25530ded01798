//! Server-sent events, read as they come. Pure: bytes in, events out; a piece may end anywhere, even within a character.
//! It stands beside the writer so that the form of the wire is known in one place; the command line reads with it.

/// The longest line, and the longest data of one event, that is kept; more means that something else is talking.
const MAX_KEPT: usize = 64 << 20;

/// One block of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The position after it, where the block told one.
    pub id: Option<String>,
    /// Its data; none where the block only moves the position.
    pub data: Option<String>,
}

/// What is known between two pieces.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was `\r`, so a `\n` belongs to it.
    after_cr: bool,
    event: Event,
}

/// A line, or an event of many lines, that is longer than any of ours.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Parser {
    /// The events that a further piece completes.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            match rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                None => {
                    self.line.extend_from_slice(rest);
                    rest = &[];
                }
                Some(end) => {
                    self.line.extend_from_slice(&rest[..end]);
                    self.after_cr = rest[end] == b'\r';
                    rest = &rest[end + 1..];
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
            }
            let data = self.event.data.as_ref().map_or(0, String::len);
            if self.line.len().max(data) > MAX_KEPT {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (event.id.is_some() || event.data.is_some()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "data" => match &mut self.event.data {
                Some(data) => data.extend(["\n", value]),
                data => *data = Some(value.to_owned()),
            },
            // Comments keep the connection awake; `retry` is for browsers.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: Option<&str>, data: Option<&str>) -> Event {
        Event { name: name.into(), id: id.map(Into::into), data: data.map(Into::into) }
    }

    const STREAM: &str = "retry: 1000\n\n: heartbeat\n\nevent: change\ndata: {\ndata: \"ä\"}\n\nevent:change\r\nid: c 1\r\ndata: 2\r\n\r\nid: c2\n\n";

    fn expected() -> Vec<Event> {
        vec![
            event("change", None, Some("{\n\"ä\"}")),
            event("change", Some("c 1"), Some("2")),
            event("", Some("c2"), None),
        ]
    }

    #[test]
    fn events_positions_and_comments_are_told_apart() {
        assert_eq!(Parser::default().push(STREAM.as_bytes()), Ok(expected()));
    }

    #[test]
    fn the_pieces_may_end_anywhere() {
        for size in 1..20 {
            let mut parser = Parser::default();
            let events: Vec<_> = STREAM.as_bytes().chunks(size).flat_map(|piece| parser.push(piece).unwrap()).collect();
            assert_eq!(events, expected(), "pieces of {size}");
        }
    }

    #[test]
    fn lines_without_end_and_events_without_end_are_given_up() {
        let mebibyte = "x".repeat(1 << 20);
        for piece in [mebibyte.clone(), format!("data:{mebibyte}\n")] {
            let mut parser = Parser::default();
            let given_up = (0..70).find(|_| parser.push(piece.as_bytes()) == Err(TooLong));
            assert!(matches!(given_up, Some(63 | 64)), "{}: {given_up:?}", &piece[..6]);
        }
    }

    #[test]
    fn an_event_that_is_cut_off_is_not_told() {
        assert_eq!(Parser::default().push(b"event: change\ndata: 1\n"), Ok(Vec::new()));
    }
}
