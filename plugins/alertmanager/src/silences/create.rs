//! Making a silence once.
//!
//! 1. A key that is known to be done has its answer; one that was tried is marked so.
//! 2. The silence is claimed and the key written down, in one commit. While somebody else holds the claim, Alertmanager is
//!    asked whether the silence has appeared.
//! 3. Alertmanager is asked for a silence that is the wanted one. If there is one, that is it: an earlier attempt, another
//!    call or another person made it.
//! 4. It is made, and the key gets its id.
//!
//! Where the answer to 4 is lost, the claim stays and the caller is told `outcome-unknown`. The same request, sent again,
//! finds the silence in 2 or 3, or makes it once the claim has ended.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jackfield_sdk::matchers::Op;
use jackfield_sdk::prelude::*;

use super::claim::{Claim, LEASE, Tried, claim};
use super::once::{Known, Once};
use super::remote::{self, Silence};
use super::revision;
use super::wanted::Wanted;
use crate::api::Api;
use crate::wit::silences::{SilenceInfo, SilenceSpec, SilenceState};

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) fn silence(spec: SilenceSpec, options: &WriteOptions) -> Result<SilenceInfo> {
    let wanted = Wanted::parse(spec)?;
    let once = Once::new(options, wanted.fingerprint())?;
    let known = once.known()?;
    let api = Api::open()?;
    if let Known::Done(id) = known {
        return remembered(&api, &wanted, &id);
    }
    let call = Call { api, wanted, once, options };
    if options.dry_run { call.rehearse(known == Known::Tried) } else { call.make_once() }
}

/// A silence that this key made before.
fn remembered(api: &Api, wanted: &Wanted, id: &str) -> Result<SilenceInfo> {
    match remote::get(api, id) {
        Ok(silence) => Ok(silence.info),
        // Alertmanager forgets silences some days after their end.
        Err(error) if error.is_not_found() => Ok(SilenceInfo { state: SilenceState::Expired, ..wanted.as_info(id) }),
        Err(error) => Err(error),
    }
}

struct Call<'a> {
    api: Api,
    wanted: Wanted,
    once: Once,
    options: &'a WriteOptions,
}

impl Call<'_> {
    fn rehearse(&self, again: bool) -> Result<SilenceInfo> {
        if let Some(found) = self.find(again)? {
            return Ok(found.info);
        }
        for (index, matcher) in self.wanted.matchers.iter().enumerate() {
            if matches!(matcher.op, Op::Matches | Op::MatchesNot) {
                remote::judge(&self.api, matcher, &format!("/silence/matchers/{index}"))?;
            }
        }
        Ok(self.wanted.as_info(""))
    }

    fn make_once(&self) -> Result<SilenceInfo> {
        let started = Instant::now();
        loop {
            match claim(self.wanted.fingerprint(), &self.once)? {
                Tried::Won { claim, again } => return self.make(claim, again),
                Tried::Done(id) => return remembered(&self.api, &self.wanted, &id),
                Tried::Busy { again } => {
                    if let Some(found) = remote::find(&self.api, &self.wanted, again)? {
                        self.check(again, Some(&found))?;
                        self.once.remember(&found.info.id)?;
                        return Ok(found.info);
                    }
                }
            }
            if started.elapsed() > LEASE + PAUSE {
                return Err(Error::unavailable("the same silence is being made by other calls; try again"));
            }
            sleep(PAUSE);
        }
    }

    /// Makes the silence, unless it is there, under a claim that is held.
    fn make(&self, claim: Claim, again: bool) -> Result<SilenceInfo> {
        let id = match self.find(again) {
            Ok(Some(found)) => {
                claim.done(&self.once, &found.info.id);
                return Ok(found.info);
            }
            Ok(None) => claim.check().and_then(|()| remote::make(&self.api, &self.wanted)),
            Err(error) => {
                // Nothing was sent now; what was sent before, under this key, is as unknown as it was.
                if again {
                    claim.let_go()
                } else {
                    claim.given_up(&self.once)
                }
                return Err(error);
            }
        };
        match id {
            Ok(id) => {
                claim.done(&self.once, &id);
                // It is made, whatever comes of asking how it looks.
                Ok(remote::get(&self.api, &id).map_or_else(|_| self.wanted.as_info(&id), |silence| silence.info))
            }
            // Nor was it by an earlier attempt, since it was not found and nothing can still be under way.
            Err(error) if surely_not_done(&error) => {
                claim.given_up(&self.once);
                Err(error)
            }
            Err(error) => match remote::find(&self.api, &self.wanted, true) {
                Ok(Some(found)) => {
                    claim.done(&self.once, &found.info.id);
                    Ok(found.info)
                }
                // It may still be under way. The claim stays.
                _ => Err(Error { kind: ErrorKind::OutcomeUnknown, ..error }
                    .context("the silence may or may not have been made; the same request, sent again, finds out")),
            },
        }
    }

    /// The wanted silence, where it is there; where it is not, it may be made.
    fn find(&self, again: bool) -> Result<Option<Silence>> {
        let found = remote::find(&self.api, &self.wanted, again)?;
        self.check(again, found.as_ref())?;
        if found.is_none() {
            self.wanted.check_time()?;
        }
        Ok(found)
    }

    /// Holds the precondition against what is there. For what an earlier attempt may have made, it held then.
    fn check(&self, again: bool, found: Option<&Silence>) -> Result<()> {
        if again && found.is_some() {
            return Ok(());
        }
        self.options.check("this silence", found.map(revision).as_deref())
    }
}

/// Whether a failure says that nothing was made.
fn surely_not_done(error: &Error) -> bool {
    !matches!(error.kind, ErrorKind::OutcomeUnknown | ErrorKind::DeadlineExceeded | ErrorKind::Internal)
}
