//! A body in lines, as event streams and JSON lines are read. Reading with a time limit never loses what has arrived: a
//! line that is half there when time runs out is whole the next time.

use std::time::Duration;

use super::response::{Piece, Response};
use crate::types::{Error, Result};

/// The longest line. A longer one is a fault of the outside system, and would fill the plugin's memory.
const MAX_LINE: usize = 16 * 1024 * 1024;
const CHUNK: u32 = 64 * 1024;

/// The lines of a body.
#[derive(Debug)]
pub struct Lines {
    response: Response,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no end of line.
    searched: usize,
    ended: bool,
}

/// What reading a line with a time limit finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Text(String),
    /// No line was complete in the time given.
    Idle,
    /// The body has ended.
    End,
}

impl Lines {
    pub(super) fn new(response: Response) -> Self {
        Self { response, buffer: Vec::new(), searched: 0, ended: false }
    }

    /// The next line, waiting for at most `wait` for each piece of it.
    pub fn next_within(&mut self, wait: Duration) -> Result<Line> {
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(Line::Text(line));
            }
            if self.ended {
                return Ok(Line::End);
            }
            match self.response.read_within(CHUNK, wait)? {
                Piece::Data(data) => self.buffer.extend_from_slice(&data),
                Piece::Idle => return Ok(Line::Idle),
                Piece::End => self.ended = true,
            }
        }
    }

    fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            match self.response.read(CHUNK)? {
                Some(data) => self.buffer.extend_from_slice(&data),
                None => self.ended = true,
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<String>> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| at + self.searched);
        let (line, rest) = match end {
            Some(end) => (&self.buffer[..end], end + 1),
            // The last line needs no end.
            None if self.ended && !self.buffer.is_empty() => (&self.buffer[..], self.buffer.len()),
            None => {
                self.searched = self.buffer.len();
                if self.buffer.len() > MAX_LINE {
                    return Err(self
                        .response
                        .garbage("made of lines", &format!("one line has more than {MAX_LINE} bytes")));
                }
                return Ok(None);
            }
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map(str::to_owned);
        self.buffer.drain(..rest);
        self.searched = 0;
        text.map(Some).map_err(|_| self.response.garbage("text in UTF-8", "other bytes"))
    }
}

impl Iterator for Lines {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}
