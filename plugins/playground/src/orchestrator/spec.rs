//! What a workload is to be, as it is kept: read from what a caller says, put over what was so before, told again.

use jackfield_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::store::Request;
use crate::wit::orchestrator::{Mode, Strategy, WorkloadSpec};

/// The namespace of whoever names none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";
/// The most instances of a workload.
const MAX_REPLICAS: u32 = 1000;
/// The most that a workload's texts hold together, in bytes: with its history it must fit in one value.
const MAX_BYTES: usize = 8192;

/// A workload without its name, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) image: String,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    env: Vec<(String, String)>,
    per_node: bool,
    pub(super) replicas: u32,
    memory_mib: Option<u32>,
    strategy: String,
    parallel: Option<u32>,
    labels: Vec<(String, String)>,
}

/// The strategies, by the names that are kept.
const STRATEGIES: [(Strategy, &str); 4] = [
    (Strategy::Rolling, "rolling"),
    (Strategy::Recreate, "recreate"),
    (Strategy::BlueGreen, "blue-green"),
    (Strategy::Canary, "canary"),
];

impl Spec {
    /// How many instances there are. The playground is one node.
    pub(super) fn instances(&self) -> u32 {
        if self.per_node { 1 } else { self.replicas }
    }

    /// The same with another number of instances.
    pub(super) fn scaled(&self, replicas: u32) -> Self {
        Self { replicas, ..self.clone() }
    }

    /// Whether there is one on every node.
    pub(super) fn is_per_node(&self) -> bool {
        self.per_node
    }

    /// What was wanted, over what was so before.
    pub(super) fn over(before: Option<&Self>, wanted: &WorkloadSpec) -> Result<Self> {
        let new =
            || Error::invalid("/workload/image", "there is no such workload yet, so it must say which image it runs");
        let mut spec = match (before, &wanted.image) {
            (Some(before), _) => before.clone(),
            (None, Some(image)) => Self::of(image),
            (None, None) => return Err(new()),
        };
        if let Some(image) = &wanted.image {
            spec.image.clone_from(image);
        }
        spec.command = wanted.command.clone().or(spec.command);
        spec.args = wanted.args.clone().or(spec.args);
        if let Some(env) = &wanted.env {
            spec.env = pairs(env, "/workload/env")?;
        }
        if let Some(labels) = &wanted.labels {
            spec.labels = pairs(labels, "/workload/labels")?;
        }
        if let Some(mode) = wanted.mode {
            spec.per_node = mode == Mode::PerNode;
        }
        spec.replicas = wanted.replicas.unwrap_or(spec.replicas);
        spec.memory_mib = wanted.memory_mib.or(spec.memory_mib);
        if let Some(strategy) = wanted.strategy {
            name_of(strategy).clone_into(&mut spec.strategy);
        }
        spec.parallel = wanted.parallel.or(spec.parallel);
        spec.check(wanted).map(|()| spec)
    }

    fn of(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            command: None,
            args: None,
            env: Vec::new(),
            per_node: false,
            replicas: 1,
            memory_mib: None,
            strategy: name_of(Strategy::Rolling).to_owned(),
            parallel: None,
            labels: Vec::new(),
        }
    }

    fn check(&self, wanted: &WorkloadSpec) -> Result<()> {
        if self.image.is_empty() || self.image.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Error::invalid("/workload/image", "must name an image, e.g. `ghcr.io/acme/shop:1.2.0`"));
        }
        if let Some(extra) = wanted.extra.iter().flatten().next() {
            let message = format!("the playground knows no setting `{}`, and no other of its own", extra.name);
            return Err(Error::invalid("/workload/extra", message));
        }
        if self.per_node && wanted.replicas.is_some() {
            let message = "there is one instance on every node; leave it out, or say `mode: replicated`";
            return Err(Error::invalid("/workload/replicas", message));
        }
        replicas(self.replicas, "/workload/replicas")?;
        if self.parallel == Some(0) {
            return Err(Error::invalid("/workload/parallel", "must be at least 1"));
        }
        let words = self.command.iter().chain(&self.args).flatten().map(String::len);
        let named = self.env.iter().chain(&self.labels).map(|(name, value)| name.len() + value.len());
        if words.chain(named).sum::<usize>() + self.image.len() > MAX_BYTES {
            return Err(Error::invalid("/workload", format!("holds more than {MAX_BYTES} bytes")));
        }
        Ok(())
    }

    /// As it is told.
    pub(super) fn told(&self, namespace: &str, name: &str) -> WorkloadSpec {
        let labels = |pairs: &[(String, String)]| Some(pairs.iter().map(|(name, value)| label(name, value)).collect());
        let strategy = STRATEGIES.iter().find(|(_, name)| *name == self.strategy).map(|(strategy, _)| *strategy);
        WorkloadSpec {
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
            image: Some(self.image.clone()),
            command: self.command.clone(),
            args: self.args.clone(),
            env: labels(&self.env),
            mode: Some(if self.per_node { Mode::PerNode } else { Mode::Replicated }),
            replicas: (!self.per_node).then_some(self.replicas),
            memory_mib: self.memory_mib,
            strategy,
            parallel: self.parallel,
            labels: labels(&self.labels),
            extra: None,
        }
    }
}

/// A number of instances.
pub(super) fn replicas(replicas: u32, field: &str) -> Result<()> {
    match replicas {
        0..=MAX_REPLICAS => Ok(()),
        _ => Err(Error::invalid(field, format!("there are at most {MAX_REPLICAS} instances of a workload"))),
    }
}

fn name_of(strategy: Strategy) -> &'static str {
    STRATEGIES.iter().find(|(known, _)| *known == strategy).map_or("rolling", |(_, name)| name)
}

fn pairs(labels: &[Label], field: &str) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
    pairs.sort();
    if pairs.iter().any(|(name, _)| name.is_empty()) || pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err(Error::invalid(field, "each needs a name, and each name comes once"));
    }
    Ok(pairs)
}

/// What an `apply` asks for, as far as telling two of them apart needs it.
pub(super) fn request(namespace: &str, wanted: &WorkloadSpec) -> Request {
    let number = |request: Request, number: Option<u32>| request.with_opt(number.map(u32::to_le_bytes));
    let words = |request: Request, words: &Option<Vec<String>>| {
        let request = request.with_opt(words.as_ref().map(|words| (words.len() as u64).to_le_bytes()));
        words.iter().flatten().fold(request, Request::with)
    };
    let labels = |request: Request, labels: &Option<Vec<Label>>| {
        let request = request.with_opt(labels.as_ref().map(|labels| (labels.len() as u64).to_le_bytes()));
        labels.iter().flatten().fold(request, |request, label| request.with(&label.name).with(&label.value))
    };
    let request = Request::new("apply").with(namespace).with(&wanted.name).with_opt(wanted.image.as_ref());
    let request = words(words(request, &wanted.command), &wanted.args);
    let request = labels(labels(labels(request, &wanted.env), &wanted.labels), &wanted.extra);
    let request = request.with_opt(wanted.mode.map(|mode| [u8::from(mode == Mode::PerNode)]));
    let request = number(number(number(request, wanted.replicas), wanted.memory_mib), wanted.parallel);
    request.with_opt(wanted.strategy.map(name_of))
}
