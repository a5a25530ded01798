//! Server-sent events, as the server writes and the command line reads them. Where the pieces of a stream end changes
//! nothing; what is written is read as what was meant, and data that looks like a field, or ends like an event, is
//! still data.

use jackfield_server::{
    fuzzing,
    sse::{Event, Parser},
};

/// Checks a stream of events, and the same bytes as the data of one.
pub fn check(input: &[u8]) {
    let whole = read([input]);
    let cut = input.first().map_or(0, |first| usize::from(*first) % input.len());
    let (head, tail) = input.split_at(cut);
    assert_eq!(read([head, tail]), whole, "cut at {cut}");
    for size in [1, 2, 7] {
        assert_eq!(read(input.chunks(size)), whole, "pieces of {size}");
    }
    for event in whole {
        let written = fuzzing::event(&event.name, event.id.as_deref(), event.data.as_deref());
        // A position has no name.
        let meant = if event.data.is_some() { event } else { Event { name: String::new(), ..event } };
        assert_eq!(read([written.as_bytes()]), [meant], "{written:?}");
    }
    let Some(data) = crate::text(input) else { return };
    let written = fuzzing::event("change", Some("7"), Some(data));
    let meant = Event { name: "change".to_owned(), id: Some("7".to_owned()), data: Some(data.replace('\r', "\n")) };
    assert_eq!(read([written.as_bytes()]), [meant], "{written:?}");
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut parser = Parser::default();
    pieces.into_iter().flat_map(|piece| parser.push(piece).expect("no line is too long")).collect()
}
