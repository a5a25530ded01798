//! What must be asked for elsewhere (OpenBao, commands), kept: asked for once for all who wait, looked at again or renewed
//! ahead of its end, used on while whoever gives it is away until it ends, and given back when nobody uses it any more.
//!
//! A request waits for it only where there is no value that is good: after the host was started, and when one has ended.
//! Everything else is done by the [`Tender`]. Asking is a task of its own: whoever waits may go away, and a lease that was
//! granted meanwhile would be lost.

mod act;
mod kept;
mod leases;
mod tend;
mod value;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jackfield_net::Dialer;
use jackfield_store::Store;
use tokio::sync::mpsc;

pub use act::{ActKind, SourceAct};
pub(crate) use kept::Kept;
pub(crate) use leases::Leases;
pub use leases::{LeaseInfo, LeaseState};
pub use tend::Tender;
pub(crate) use value::Held;

use crate::{
    AllowedSources, Sources, VaultError,
    source::{Drawn, Missing, Origin, Refusal, SourceCommand, bao, command},
};
use value::Value;

/// After asking has failed, it is asked again only after this long: whoever waited for it is told the same.
const PAUSE: Duration = Duration::from_secs(1);

/// Which value: of a version of a credential, from there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) origin: Origin,
}

/// Keeps them.
pub(crate) struct Keeper {
    servers: Vec<bao::Client>,
    commands: Vec<SourceCommand>,
    kept: Mutex<HashMap<Place, Arc<Kept>>>,
    /// Values that are used no more, until those who began with them have ended.
    old: Mutex<Vec<Arc<Value>>>,
    pub(crate) leases: Leases,
    acts: mpsc::Sender<SourceAct>,
    /// Nothing is asked for any more.
    pub(super) ended: AtomicBool,
    /// Taken by the one who tends.
    told: Mutex<Option<mpsc::Receiver<SourceAct>>>,
}

/// Values that were drawn for a version that is still to be made. Where it is not made, whoever drew them gone or not, they
/// are given back.
pub(crate) struct Pending {
    keeper: Arc<Keeper>,
    kept: Vec<Arc<Kept>>,
}

impl Pending {
    /// What was drawn from an origin.
    pub(crate) fn held(&self, origin: &Origin) -> Result<Held, Missing> {
        match self.kept.iter().find(|kept| kept.origin == *origin) {
            Some(kept) => kept.held(),
            None => Err(Missing::NotAsked(origin.clone())),
        }
    }

    /// They are of a version now.
    pub(crate) fn adopt(mut self, id: &str, version: u64) {
        let mut all = lock(&self.keeper.kept);
        for kept in std::mem::take(&mut self.kept) {
            let place = Place { id: id.to_owned(), version, origin: kept.origin.clone() };
            // Somebody may have been quicker.
            if let Some(other) = all.insert(place, kept) {
                self.keeper.abandon(&other);
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.kept.iter().for_each(|kept| self.keeper.abandon(kept));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Of nothing: with the leases that an earlier process has left.
    pub(crate) async fn load(store: Arc<dyn Store>) -> Result<Self, VaultError> {
        let (acts, told) = mpsc::channel(act::CAPACITY);
        Ok(Self {
            servers: Vec::new(),
            commands: Vec::new(),
            kept: Mutex::default(),
            old: Mutex::default(),
            leases: Leases::load(store).await?,
            acts,
            ended: AtomicBool::new(false),
            told: Mutex::new(Some(told)),
        })
    }

    /// The same, of what the operator allows.
    pub(crate) fn allowing(self, allowed: &AllowedSources, dialer: &Dialer) -> Result<Self, VaultError> {
        let servers = allowed.servers.iter().map(|server| bao::Client::new(server.clone(), dialer));
        Ok(Self { servers: servers.collect::<Result<_, _>>()?, commands: allowed.commands.clone(), ..self })
    }

    fn server(&self, name: &str) -> Option<&bao::Client> {
        self.servers.iter().find(|server| server.name() == name)
    }

    /// What is kept for a version now; `used`: by a request, so that it is wanted.
    pub(crate) fn held(&self, place: &Place, used: bool) -> Result<Held, Missing> {
        match lock(&self.kept).get(place) {
            Some(kept) => {
                if used {
                    kept.touch();
                }
                kept.held()
            }
            None => Err(Missing::NotAsked(place.origin.clone())),
        }
    }

    /// Sees that there is a value, and waits for it where there is none.
    pub(crate) async fn ensure(
        self: &Arc<Self>,
        place: &Place,
        credential: &str,
        sources: &Sources,
        until: Instant,
    ) -> Result<(), String> {
        let kept = {
            let mut all = lock(&self.kept);
            let made = || Arc::new(Kept::new(credential, place.origin.clone(), sources));
            all.entry(place.clone()).or_insert_with(made).clone()
        };
        let (keeper, asked) = (self.clone(), kept.clone());
        let asking = tokio::spawn(async move {
            let _turn = asked.turn.lock().await;
            if asked.is_good() { Ok(()) } else { keeper.ask(&asked).await }
        });
        match tokio::time::timeout_at(until.into(), asking).await {
            Ok(Ok(asked)) => asked.map_err(|refusal| refusal.reason().to_owned()),
            Ok(Err(_)) => Err(format!("asking for {} was broken off", place.origin)),
            Err(_) => Err(format!("no time is left to wait for {}", place.origin)),
        }
    }

    /// Draws everything that a version to be made needs from elsewhere.
    pub(crate) async fn draw(self: &Arc<Self>, credential: &str, sources: &Sources) -> Result<Pending, String> {
        let origins: BTreeSet<Origin> = sources.values().filter_map(|source| Some(source.origin()?.0)).collect();
        let mut pending = Pending { keeper: self.clone(), kept: Vec::new() };
        for origin in origins {
            let kept = Arc::new(Kept::new(credential, origin, sources));
            pending.kept.push(kept.clone());
            let keeper = self.clone();
            match tokio::spawn(async move { keeper.ask(&kept).await }).await {
                Ok(Ok(())) => {}
                Ok(Err(refusal)) => return Err(refusal.reason().to_owned()),
                Err(_) => return Err("asking was broken off".to_owned()),
            }
        }
        Ok(pending)
    }

    /// Nobody will use what is kept any more, and nothing that is still being asked for.
    fn abandon(&self, kept: &Kept) {
        lock(&kept.state).abandoned = true;
        self.retire(kept);
    }

    /// What is kept is used by nobody any more, but for those who have begun with it.
    fn retire(&self, kept: &Kept) {
        let now = lock(&kept.state).now.take();
        lock(&self.old).extend(now);
    }

    /// Forgets the value that a lease is of.
    pub(crate) fn forget(&self, lease: &str) -> bool {
        let all: Vec<_> = lock(&self.kept).values().cloned().collect();
        let of = |kept: &&Arc<Kept>| {
            let state = lock(&kept.state);
            state.now.as_ref().is_some_and(|value| value.lease.as_ref().is_some_and(|(id, _)| id == lease))
        };
        let found = all.iter().find(of);
        if let Some(kept) = found {
            self.retire(kept);
        }
        found.is_some()
    }

    /// Lets go of everything that `gone` says.
    pub(crate) fn let_go(&self, gone: impl Fn(&Place, &Kept) -> bool) -> Vec<Place> {
        let mut places = Vec::new();
        lock(&self.kept).retain(|place, kept| {
            let gone = gone(place, kept);
            if gone {
                self.abandon(kept);
                places.push(place.clone());
            }
            !gone
        });
        places
    }

    /// Asks for a value. Called in turn. What was there before stays where it fails, until it ends.
    async fn ask(&self, kept: &Kept) -> Result<(), Refusal> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Refusal::Away("the host ends".into()));
        }
        if let Some((at, refusal)) = &lock(&kept.state).failed
            && at.elapsed() < PAUSE
        {
            return Err(refusal.clone());
        }
        match self.ask_there(kept).await {
            Ok((drawn, lease)) => {
                let (is_other, old) = kept.put(drawn, lease.clone());
                lock(&self.old).extend(old);
                if is_other {
                    self.tell(ActKind::Fetched, kept, lease.as_ref().map(|(id, _)| id.as_str()), None);
                }
                let abandoned = lock(&kept.state).abandoned;
                if abandoned {
                    self.retire(kept);
                }
                Ok(())
            }
            Err(refusal) => {
                if kept.fail(refusal.clone()) {
                    self.tell(ActKind::FetchFailed, kept, None, Some(refusal.reason().to_owned()));
                }
                if let Refusal::Gone(_) = refusal {
                    self.retire(kept);
                }
                Err(refusal)
            }
        }
    }

    async fn ask_there(&self, kept: &Kept) -> Result<(Drawn, Option<value::Lease>), Refusal> {
        let unknown = |what: &str, name: &str, option: &str| {
            Refusal::Away(format!("this host knows no {what} `{name}`; name it where the host is started: `{option}`"))
        };
        match &kept.origin {
            Origin::Command(name) => {
                let found = self.commands.iter().find(|command| command.name == *name);
                let command = found.ok_or_else(|| unknown("command", name, "--secrets-command"))?;
                Ok((command::run(command, &kept.fields).await?, None))
            }
            Origin::Bao(path) => {
                let server = self.server(&path.server);
                let server = server.ok_or_else(|| unknown("OpenBao", &path.server, "--secrets-bao"))?;
                let (drawn, granted) = server.draw(path, &kept.fields).await?;
                let Some(granted) = granted else { return Ok((drawn?, None)) };
                // Stored before anything is done with it: it is given back whatever becomes of this process.
                let id =
                    self.leases.begin(kept, path, &granted).await.map_err(|error| Refusal::Away(error.to_string()))?;
                match drawn {
                    Ok(drawn) => Ok((drawn, Some((id, granted)))),
                    Err(refusal) => {
                        self.leases.give_back(&id);
                        Err(refusal)
                    }
                }
            }
        }
    }

    /// Renews a lease, or asks for a value anew. Called in turn.
    async fn refresh(&self, kept: &Kept) {
        let lease = {
            let state = lock(&kept.state);
            state.now.as_ref().filter(|_| state.renewable).and_then(|value| value.lease.clone())
        };
        if let (Some((id, granted)), Origin::Bao(path)) = (lease, &kept.origin)
            && let Some(server) = self.server(&path.server)
            && server.is_of_this_login(&granted)
        {
            match server.renew(&granted).await {
                Ok(renewed) => {
                    self.leases.extend(&id, renewed.life);
                    kept.renewed(&renewed);
                    return self.tell(ActKind::Renewed, kept, Some(&id), None);
                }
                Err(Refusal::Away(reason)) => {
                    if kept.fail(Refusal::Away(reason.clone())) {
                        self.tell(ActKind::RenewFailed, kept, Some(&id), Some(reason));
                    }
                    return;
                }
                // It is not to be renewed; another one, then.
                Err(Refusal::Gone(_)) => {}
            }
        }
        // Whoever waits has been told why, and tells it.
        let _ = self.ask(kept).await;
    }

    fn tell(&self, kind: ActKind, kept: &Kept, lease: Option<&str>, reason: Option<String>) {
        let (credential, origin) = (kept.credential.clone(), kept.origin.to_string());
        self.told(SourceAct { kind, credential, origin, lease: lease.map(str::to_owned), reason });
    }

    pub(crate) fn told(&self, act: SourceAct) {
        if let Err(error) = self.acts.try_send(act) {
            tracing::warn!(%error, "nobody takes note of what was done with a source");
        }
    }
}
