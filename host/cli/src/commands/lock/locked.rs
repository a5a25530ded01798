//! Installing by a lock file: everything is looked at before anything is installed, each file that is installed is the one
//! that was looked at, and what fails half-way is taken back.

use http::{Method, StatusCode};
use jackfield_core::Signer;
use jackfield_registry::{LockedPlugin, LockedSigner};
use serde_json::{Value, json};

use super::{Context, LockFile, Told, about};
use crate::{
    api::{Api, Request, Response, segment},
    args::InstallArgs,
    commands::{place::Arrival, plugin_views as views},
    failure::Failure,
    output::Tree,
};

/// A plugin that is to be installed by the lock.
struct Wanted<'l> {
    place: String,
    arrival: Arrival,
    /// Its entry; none where the command line names a place, of which only the host tells what is there.
    entry: Option<&'l LockedPlugin>,
}

/// What was looked at and is as it is locked.
struct Checked<'l> {
    wanted: Wanted<'l>,
    entry: &'l LockedPlugin,
}

/// `jackfield plugin install [PLACE] --locked`.
pub(in crate::commands) async fn install(context: &Context, args: &InstallArgs) -> Result<(), Failure> {
    let file = LockFile::that_holds(&args.lock)?;
    let wanted = |place: String, entry: Option<_>| {
        let choosing = entry.is_none().then_some(&args.choosing);
        let arrival = Arrival::read(&place, &args.vouching, choosing)?;
        Ok(Wanted { place, arrival, entry })
    };
    let wanted: Vec<Wanted<'_>> = match &args.place {
        Some(place) => vec![wanted(place.clone(), None)?],
        None => {
            file.lock.iter().map(|entry| wanted(file.place(entry)?, Some(entry))).collect::<Result<_, Failure>>()?
        }
    };
    let answers = context
        .with(async |api| {
            let checked = file.check(api, wanted, args.vouching.allow_other_signer).await?;
            carry_out(api, checked).await
        })
        .await?;
    if let (Some(_), [answer]) = (&args.place, &answers[..]) {
        let new = answer.status == StatusCode::CREATED;
        return context.ui.answer(&answer.body, |plugin| views::installed(plugin, new));
    }
    let news: Vec<bool> = answers.iter().map(|answer| answer.status == StatusCode::CREATED).collect();
    let items: Result<Vec<Value>, _> = answers.iter().map(|answer| serde_json::from_slice(&answer.body)).collect();
    let items = items.map_err(|error| Failure::Failed(format!("an answer is not JSON: {error}")))?;
    context.ui.answer(json!({"items": items}).to_string().as_bytes(), |all: &Tree| {
        let lines = all.list("items").iter().zip(&news).map(|(plugin, new)| views::installed(plugin, *new));
        let lines: String = lines.collect();
        if lines.is_empty() { format!("{} names no plugin\n", file.name()) } else { lines }
    })
}

impl LockFile {
    /// Looks at everything, and changes nothing.
    async fn check<'l>(
        &'l self,
        api: &Api,
        wanted: Vec<Wanted<'l>>,
        any_signer: bool,
    ) -> Result<Vec<Checked<'l>>, Failure> {
        let mut checked: Vec<Checked<'l>> = Vec::new();
        let mut differs = Vec::new();
        for wanted in wanted {
            let id = wanted.entry.map_or_else(|| wanted.place.clone(), LockedPlugin::id);
            let plan = api
                .request(wanted.arrival.dry_run(wanted.entry.map(|entry| entry.digest.to_string()).as_deref())?)
                .await;
            let plan = plan.map_err(|failure| about(failure, &format!("nothing was installed: `{id}`: ")))?;
            let plan = Told::read(&plan.body)?;
            let installed = plan.installed;
            let (entry, lines) = self.compare(plan, &wanted.place, wanted.entry)?;
            differs.extend(lines);
            let Some(entry) = entry else { continue };
            // The host will say so too, but not before the other is installed.
            let other = checked.iter().map(|before| before.entry).filter(|before| before.name == entry.name);
            if !installed && !any_signer && is_another_signer(entry, other) {
                let message = "another version of it is locked with another signer; if its makers say that this is right, install with `--allow-other-signer`";
                differs.push(format!("`{}`: {message}", entry.id()));
            }
            checked.push(Checked { wanted, entry });
        }
        if differs.is_empty() { Ok(checked) } else { Err(self.refuse("nothing was installed", &differs)) }
    }

    /// Compares what the host tells of a plugin at a place with what is locked of it: its entry, and a line for everything
    /// that differs.
    pub(in crate::commands) fn compare<'l>(
        &'l self,
        told: Told,
        place: &str,
        entry: Option<&'l LockedPlugin>,
    ) -> Result<(Option<&'l LockedPlugin>, Vec<String>), Failure> {
        let (id, unjudged) = (told.id(), told.unjudged);
        let refused = told.refused.clone().filter(|_| !unjudged);
        let Some(entry) = entry.or_else(|| self.lock.get(&told.name, &told.version)) else {
            let locked: Vec<String> = self.lock.versions(&told.name).map(LockedPlugin::id).collect();
            let near = if locked.is_empty() { String::new() } else { format!("; locked is {}", locked.join(", ")) };
            return Ok((None, vec![format!("`{id}` is not in it{near}")]));
        };
        let from = self.from(place, told.pinned.as_deref())?;
        let found = told.locked(from);
        // Of whom the policy does not let in nobody tells the signer; why it does not is told instead.
        let judged = refused.is_none() && !unjudged;
        let drift = entry.drift(&found).into_iter().filter(|drift| judged || drift.member != "signer");
        let lines = drift.map(|drift| drift.to_string()).chain(refused.as_ref().map(|why| format!("refused: {why}")));
        Ok((Some(entry), lines.map(|line| format!("`{}`: {line}", entry.id())).collect()))
    }

    /// Says what is not as it is locked.
    pub(in crate::commands) fn refuse(&self, outcome: &str, differs: &[String]) -> Failure {
        let name = self.name();
        // Two documents may name one plugin.
        let first = |(index, line): &(usize, &String)| !differs[..*index].contains(line);
        let lines = differs.iter().enumerate().filter(first);
        let lines: String = lines.map(|(_, line)| format!("\n  - {line}")).collect();
        Failure::Failed(format!(
            "{outcome}: what was found is not what {name} says:{lines}\nIf what was found is what is meant, lock it: `jackfield plugin install PLACE --lock={name}`"
        ))
    }
}

/// Whether a host that has some versions of a plugin would find another signer of this one than theirs.
fn is_another_signer<'l>(entry: &LockedPlugin, before: impl Iterator<Item = &'l LockedPlugin>) -> bool {
    let signer = |plugin: &LockedPlugin| plugin.signer.as_ref().map(proved);
    let known: Vec<Signer> = before.filter_map(signer).collect();
    !known.is_empty() && !signer(entry).is_some_and(|signer| known.iter().any(|known| signer.is(known)))
}

fn proved(signer: &LockedSigner) -> Signer {
    match signer.clone() {
        LockedSigner::Key { fingerprint } => Signer::Key { fingerprint: fingerprint.to_string() },
        LockedSigner::Identity { issuer, subject } => Signer::Identity { issuer, subject },
    }
}

/// Installs what was looked at, all of it or nothing.
async fn carry_out(api: &Api, checked: Vec<Checked<'_>>) -> Result<Vec<Response>, Failure> {
    let mut answers: Vec<Response> = Vec::new();
    let mut new: Vec<String> = Vec::new();
    for Checked { wanted, entry } in checked {
        let digest = entry.digest.to_string();
        match api.request(wanted.arrival.install(entry.accept.as_deref(), Some(&digest))?).await {
            Ok(answer) => {
                if answer.status == StatusCode::CREATED {
                    new.push(entry.id());
                }
                answers.push(answer);
            }
            Err(failure) => {
                let stays = take_back(api, new).await;
                let what = match stays.is_empty() {
                    true => "nothing was installed",
                    false => &format!("not everything was installed, only {}", stays.join(", ")),
                };
                return Err(about(failure, &format!("{what}: `{}`: ", entry.id())));
            }
        }
    }
    Ok(answers)
}

/// Removes what was installed, the newest first; what could not be removed.
async fn take_back(api: &Api, new: Vec<String>) -> Vec<String> {
    let mut stays = Vec::new();
    for id in new.into_iter().rev() {
        let request = Request::new(Method::DELETE, format!("/v1/plugins/{}", segment(&id)));
        if api.request(request).await.is_err() {
            stays.push(id);
        }
    }
    stays
}
