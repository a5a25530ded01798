//! A stream that outlives its connection. When the server goes away, or the outside system for a while, the stream is
//! opened again where it broke off: the position is sent back as `Last-Event-ID`, so nothing is lost and nothing told
//! twice but what was under way. A silent server (heartbeats come every 15 s) counts as gone.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue};
use http_body_util::{BodyDataStream, BodyExt as _};
use jackfield_server::sse::{Event, Parser};
use tokio::time::{Instant, sleep, timeout};

use super::{Api, Body, Request};
use crate::failure::{Failure, Problem};

/// Three heartbeats.
const SILENCE: Duration = Duration::from_secs(45);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that held this long was a good one, though it may have told nothing.
const STEADY: Duration = Duration::from_secs(10);

/// A stream that is followed.
pub(crate) struct Follow {
    api: Api,
    path: String,
    position: Option<String>,
    /// How long to try before a loss is final.
    patience: Duration,
    stream: Option<Stream>,
    lost: Option<Lost>,
    ready: VecDeque<Event>,
}

struct Stream {
    body: BodyDataStream<Body>,
    parser: Parser,
    opened: Instant,
}

/// A connection that is gone, or was until a moment ago.
struct Lost {
    until: Instant,
    pause: Duration,
}

/// What a followed stream tells.
#[derive(Debug)]
pub(crate) enum Update {
    /// An event.
    Event(Event),
    /// The connection is lost and being taken up again.
    Lost(String),
}

impl Follow {
    /// Opens the stream; this first time a failure is final.
    pub(crate) async fn open(
        api: Api,
        path: String,
        position: Option<String>,
        patience: Duration,
    ) -> Result<Self, (Api, Failure)> {
        let mut follow = Self { api, path, position, patience, stream: None, lost: None, ready: VecDeque::new() };
        match follow.connect().await {
            Ok(()) => Ok(follow),
            Err(failure) => Err((follow.api, failure)),
        }
    }

    /// The position after everything told so far.
    pub(crate) fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Gives the API back.
    pub(crate) fn into_api(self) -> Api {
        self.api
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let mut request = Request::get(self.path.as_str());
        if let Some(position) = self.position.as_deref().filter(|position| !position.is_empty()) {
            let value = HeaderValue::from_bytes(position.as_bytes()).map_err(|_| {
                Failure::Usage("the cursor holds control characters, so it is not one that Jackfield gave".into())
            })?;
            request = request.header(HeaderName::from_static("last-event-id"), value);
        }
        let body = self.api.stream(request).await?;
        self.stream = Some(Stream { body: body.into_data_stream(), parser: Parser::default(), opened: Instant::now() });
        Ok(())
    }

    /// The next thing to tell. May be dropped and called again: nothing is lost by that.
    pub(crate) async fn next(&mut self) -> Result<Update, Failure> {
        loop {
            let gone = if let Some(event) = self.ready.pop_front() {
                match self.tell(event)? {
                    Ok(event) => return Ok(Update::Event(event)),
                    Err(gone) => gone,
                }
            } else if let Some(stream) = &mut self.stream {
                match timeout(SILENCE, stream.body.next()).await {
                    Ok(Some(Ok(piece))) => {
                        self.read(&piece)?;
                        continue;
                    }
                    Ok(Some(Err(error))) => Failure::Failed(format!("the stream broke off: {error}")),
                    Ok(None) => Failure::Failed("the server ended the stream".into()),
                    Err(_) => Failure::Failed(format!("the server is silent for {} s", SILENCE.as_secs())),
                }
            } else {
                self.reconnect().await?;
                continue;
            };
            if let Some(update) = self.lose(gone)? {
                return Ok(update);
            }
        }
    }

    fn read(&mut self, piece: &Bytes) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let events = stream
            .parser
            .push(piece)
            .map_err(|_| Failure::Failed("the stream holds a line or an event without end".into()))?;
        self.ready.extend(events);
        Ok(())
    }

    /// The event, or why there will be no more from this connection.
    fn tell(&mut self, event: Event) -> Result<Result<Event, Failure>, Failure> {
        if event.name == "error" {
            let data = event.data.unwrap_or_default();
            return match Problem::read(data.clone().into()) {
                Some(problem) if problem.passes() => Ok(Err(Failure::Api(problem))),
                Some(problem) => Err(Failure::Api(problem)),
                None => Err(Failure::Failed(data)),
            };
        }
        if let Some(id) = &event.id {
            self.position = Some(id.clone());
        }
        self.lost = None;
        Ok(Ok(event))
    }

    /// Notes that the connection is gone. Told once for each loss, however often it takes to get over it.
    fn lose(&mut self, why: Failure) -> Result<Option<Update>, Failure> {
        let stream = self.stream.take();
        if stream.is_some_and(|stream| stream.opened.elapsed() > STEADY) {
            self.lost = None;
        }
        match &self.lost {
            Some(lost) if Instant::now() < lost.until => Ok(None),
            Some(_) => Err(why),
            None if self.patience.is_zero() => Err(why),
            None => {
                self.lost = Some(Lost { until: Instant::now() + self.patience, pause: FIRST_PAUSE });
                let text = why.lines().into_iter().next().map(|(_, text)| text);
                Ok(Some(Update::Lost(text.unwrap_or_default())))
            }
        }
    }

    /// Tries once to take the stream up again, after a pause.
    async fn reconnect(&mut self) -> Result<(), Failure> {
        let pause = self.lost.as_ref().map_or(FIRST_PAUSE, |lost| lost.pause);
        sleep(pause).await;
        self.api.look_again();
        let outcome = self.connect().await;
        let passes = match &outcome {
            Ok(()) => true,
            Err(Failure::Api(problem)) => problem.passes(),
            Err(failure) => matches!(failure, Failure::Unreachable(_) | Failure::Failed(_)),
        };
        match &mut self.lost {
            Some(lost) if passes && Instant::now() < lost.until => {
                lost.pause = (lost.pause * 2).min(LONGEST_PAUSE);
                Ok(())
            }
            _ => outcome,
        }
    }
}
