//! Money: outside systems that bill each call. What an endpoint may cost in a day is counted in whole requests, and on the disk
//! before it is spent: a little is put aside at a time, so that a request rarely waits for that and a crash costs what was
//! put aside and no more. Where it cannot be noted nothing is sent.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jackfield_store::{Bucket, Expect, Mutation, Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{EndpointSettings, Error, Result, TimestampMs, clock::now_ms, faults};

/// Where it stands among what the host remembers.
const PREFIX: &str = "spent/";
/// What is put aside at a time: this part of a day's requests.
const PART: u64 = 100;
/// Days begin at midnight, UTC.
const DAY_MS: i64 = 86_400_000;
/// A price a day that is more than so many requests is no bound.
const MOST: f64 = 1e12;

/// What requests to an endpoint cost, in whatever currency, and what they may in a day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SpendSettings {
    /// What one request costs.
    pub per_request: f64,
    /// What all of a day may cost.
    pub per_day: f64,
}

/// What of it was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spent {
    /// Requests of today, those that were put aside when the host ended among them.
    pub requests: u64,
    /// How many there may be.
    pub most: u64,
}

impl SpendSettings {
    /// How many requests a day that makes.
    fn requests(self) -> Result<u64> {
        let Self { per_request, per_day } = self;
        let wrong = |message: &str, at: &str| Err(Error::invalid(message).at(format!("/spend{at}")));
        if !(per_request.is_finite() && per_request > 0.0) {
            return wrong("what a request costs is a number above 0", "/per-request");
        }
        if !(per_day.is_finite() && per_day >= per_request) {
            return wrong("a day may cost as much as one request at least", "/per-day");
        }
        // A thousandth more, so that 0.3 is three times 0.1 whatever floating-point numbers make of that.
        let requests = (per_day / per_request + 1e-3).floor();
        if requests > MOST {
            return wrong("that is more requests than any day has; leave it out", "/per-day");
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and 10^12")]
        Ok(requests as u64)
    }
}

/// What is on the disk.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Stored {
    day: i64,
    /// Spent or put aside.
    requests: u64,
}

#[derive(Debug, Default)]
struct Purse {
    stored: Stored,
    revision: Option<u64>,
    used: u64,
    /// It was read once.
    known: bool,
}

/// The budget of one endpoint.
pub(crate) struct Budget {
    store: Arc<dyn Store>,
    key: String,
    most: u64,
    purse: Mutex<Purse>,
    /// The day and what was used in it, for whoever looks on.
    seen: (AtomicU64, AtomicU64),
}

/// The budgets of an integration, by endpoint.
pub(crate) type Budgets = BTreeMap<String, Budget>;

/// What is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The day's money is spent; how long the day still is.
    Spent(Duration),
    /// It cannot be noted.
    Unnoted(Error),
}

/// The budgets of an integration.
pub(crate) fn budgets(
    store: &Arc<dyn Store>,
    incarnation: &str,
    endpoints: &BTreeMap<String, EndpointSettings>,
) -> Result<Budgets> {
    let spending = endpoints.iter().filter_map(|(name, settings)| Some((name, settings.spend?)));
    let budget = |(name, spend): (&String, SpendSettings)| {
        let at = |error: Error| {
            let field = error.field.clone().unwrap_or_default();
            error.at(format!("/endpoints/{}{field}", crate::names::pointer(name)))
        };
        let budget = Budget {
            store: store.clone(),
            key: format!("{PREFIX}{incarnation}/{name}"),
            most: spend.requests().map_err(at)?,
            purse: Mutex::default(),
            seen: Default::default(),
        };
        Ok((name.clone(), budget))
    };
    spending.map(budget).collect()
}

/// Everything that was noted of an integration, gone with it.
pub(crate) fn forget(incarnation: &str) -> Mutation {
    Mutation::delete_prefix(Bucket::Meta, format!("{PREFIX}{incarnation}/"))
}

impl Budget {
    /// Spends one request.
    pub(crate) async fn take(&self) -> std::result::Result<(), Refusal> {
        self.take_at(now_ms()).await
    }

    async fn take_at(&self, now: TimestampMs) -> std::result::Result<(), Refusal> {
        let today = now.div_euclid(DAY_MS);
        let mut purse = self.purse.lock().await;
        if !purse.known {
            self.read(&mut purse).await.map_err(Refusal::Unnoted)?;
        }
        // A clock that is set back has no second day.
        if today > purse.stored.day {
            (purse.stored, purse.used) = (Stored { day: today, requests: 0 }, 0);
        }
        while purse.used >= purse.stored.requests {
            if purse.stored.requests >= self.most {
                self.show(&purse);
                let left = (purse.stored.day + 1).saturating_mul(DAY_MS).saturating_sub(now);
                return Err(Refusal::Spent(Duration::from_millis(u64::try_from(left).unwrap_or(0))));
            }
            self.put_aside(&mut purse).await.map_err(Refusal::Unnoted)?;
        }
        purse.used += 1;
        self.show(&purse);
        Ok(())
    }

    /// What was spent, as far as anybody asked for it since the host was started.
    pub(crate) fn spent(&self) -> Spent {
        let today = u64::try_from(now_ms().div_euclid(DAY_MS)).unwrap_or(0);
        let requests =
            if self.seen.0.load(Ordering::Acquire) == today { self.seen.1.load(Ordering::Relaxed) } else { 0 };
        Spent { requests, most: self.most }
    }

    fn show(&self, purse: &Purse) {
        self.seen.1.store(purse.used, Ordering::Relaxed);
        self.seen.0.store(u64::try_from(purse.stored.day).unwrap_or(0), Ordering::Release);
    }

    async fn read(&self, purse: &mut Purse) -> Result<()> {
        let found = self.store.get(Bucket::Meta, &self.key).await.map_err(faults::store)?;
        if let Some(record) = found {
            purse.stored = serde_json::from_slice(&record.value)
                .map_err(|error| Error::internal(format!("what was spent cannot be read: {error}")))?;
            purse.revision = Some(record.revision);
        }
        // What was put aside before counts as spent: nobody knows how much of it was.
        (purse.used, purse.known) = (purse.stored.requests, true);
        Ok(())
    }

    /// Puts a little more aside, on the disk.
    async fn put_aside(&self, purse: &mut Purse) -> Result<()> {
        let more = (self.most / PART).max(1);
        let next = Stored { requests: purse.stored.requests.saturating_add(more).min(self.most), ..purse.stored };
        let value = serde_json::to_vec(&next).map_err(|error| Error::internal(error.to_string()))?;
        let expect = purse.revision.map_or(Expect::Absent, Expect::Revision);
        let set = Mutation::set(Bucket::Meta, self.key.as_str(), value).expect(expect);
        match self.store.commit(vec![set]).await {
            Ok(revision) => {
                (purse.stored, purse.revision) = (next, Some(revision));
                Ok(())
            }
            // The integration was changed meanwhile, and what ran before still spends, too.
            Err(StoreError::Conflict { .. }) => {
                let day = purse.stored.day;
                self.read(purse).await?;
                if day > purse.stored.day {
                    (purse.stored, purse.used) = (Stored { day, requests: 0 }, 0);
                }
                Ok(())
            }
            Err(error) => Err(faults::store(error)),
        }
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jackfield_store::MemoryStore;

    use super::*;

    fn budget(store: &Arc<dyn Store>, per_request: f64, per_day: f64) -> Budget {
        let settings = EndpointSettings { spend: Some(SpendSettings { per_request, per_day }), ..Default::default() };
        budgets(store, "i", &BTreeMap::from([("api".to_owned(), settings)])).unwrap().remove("api").unwrap()
    }

    fn store() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    const NOON: TimestampMs = 20_000 * DAY_MS + DAY_MS / 2;

    #[tokio::test]
    async fn a_day_has_as_many_requests_as_its_money_pays_for_and_the_next_day_as_many_again() {
        let budget = budget(&store(), 0.1, 0.3);
        for _ in 0..3 {
            budget.take_at(NOON).await.unwrap();
        }
        let Err(Refusal::Spent(left)) = budget.take_at(NOON).await else { panic!("it is spent") };
        assert_eq!(left, Duration::from_secs(12 * 3600));
        assert!(budget.take_at(NOON - DAY_MS).await.is_err(), "a clock that is set back has no second day");
        for _ in 0..3 {
            budget.take_at(NOON + DAY_MS).await.unwrap();
        }
        assert!(budget.take_at(NOON + DAY_MS).await.is_err());
    }

    #[tokio::test]
    async fn a_crash_costs_what_was_put_aside_and_gives_nothing_back() {
        let store = store();
        let before = budget(&store, 1.0, 1000.0);
        for _ in 0..15 {
            before.take_at(NOON).await.unwrap();
        }
        // Ten at a time: twenty are put aside, and nobody knows that five of them were not spent.
        let after = budget(&store, 1.0, 1000.0);
        let mut more = 0;
        while after.take_at(NOON).await.is_ok() {
            more += 1;
        }
        assert_eq!(more, 980);
    }

    #[tokio::test]
    async fn two_that_spend_from_one_purse_spend_it_once() {
        let store = store();
        let (one, other) = (budget(&store, 1.0, 500.0), budget(&store, 1.0, 500.0));
        let mut taken = 0;
        loop {
            let (a, b) = (one.take_at(NOON).await.is_ok(), other.take_at(NOON).await.is_ok());
            taken += u32::from(a) + u32::from(b);
            if !a && !b {
                break;
            }
        }
        assert!((480..=500).contains(&taken), "{taken}");
    }

    #[test]
    fn prices_that_make_no_sense_are_refused_with_their_place() {
        for (per_request, per_day, place) in [
            (0.0, 1.0, "/spend/per-request"),
            (-1.0, 1.0, "/spend/per-request"),
            (f64::NAN, 1.0, "/spend/per-request"),
            (1.0, 0.5, "/spend/per-day"),
            (1.0, f64::INFINITY, "/spend/per-day"),
            (1e-9, 1e9, "/spend/per-day"),
        ] {
            let error = SpendSettings { per_request, per_day }.requests().unwrap_err();
            assert_eq!(error.field.as_deref(), Some(place), "{per_request} {per_day}");
        }
    }
}
