//! The comparison of two types: what is to be done with a value on its way from the one to the other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{Direction, Mismatch, Part};
use crate::{
    Param,
    error::Trail,
    shape::{Case, Field, Names, Record, Shape, Variant},
};

/// What is done with a value.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// It stays as it is.
    Same,
    /// Nobody wants it: it becomes `null`.
    Nothing,
    /// Each item of a list.
    List(Arc<Plan>),
    /// Each value of a map whose keys are texts.
    Entries(Arc<Plan>),
    /// Each item of a tuple.
    Tuple(Arc<[Plan]>),
    /// `null` stays, anything else is translated.
    Optional(Arc<Plan>),
    /// As that, of an option of an option, whose value has a wrapper: `{"some": …}`.
    Wrapped(Arc<Plan>),
    /// It must be there, though where it comes from it need not be.
    Needed(Arc<Plan>),
    /// A record, or all parameters.
    Record(Arc<Members>),
    /// A variant or a result.
    Cases(Arc<Cases>),
    /// One of some names.
    Name(Arc<Known>),
    /// Any of some names.
    Names(Arc<Known>),
}

/// What is done with a record's members.
#[derive(Debug)]
pub(super) struct Members {
    /// The members where the value comes from.
    pub(super) members: BTreeMap<String, Member>,
}

/// What is done with one member.
#[derive(Debug)]
pub(super) enum Member {
    /// It is translated.
    Take(Plan, Absent),
    /// It is left out: nobody asked for it.
    Drop,
    /// It is left out where it says nothing, and refused where it says something.
    Refuse(Shape),
}

/// What it means where a member that both have is left out.
#[derive(Debug)]
pub(super) enum Absent {
    /// The same in both forms: it stays left out.
    Same,
    /// Nothing that can be said where it goes: it must be there.
    Needed,
    /// It may not be left out where it comes from, and where it goes nobody would notice.
    Required,
    /// This, as JSON, and something else where it goes: it is written out, and translated.
    Means(String),
}

/// What is done with the cases of a variant.
#[derive(Debug)]
pub(super) struct Cases {
    /// The cases that both have.
    pub(super) cases: BTreeMap<String, Plan>,
    pub(super) known: Known,
}

/// The names of an enum, a set of flags or a variant's cases.
#[derive(Debug)]
pub(super) struct Known {
    /// What the type is called where the value goes.
    pub(super) of: String,
    /// Where the value comes from.
    pub(super) from: BTreeSet<String>,
    /// Where it goes.
    pub(super) to: BTreeSet<String>,
}

impl Known {
    fn of(from: &Names, to: &Names) -> Self {
        let all = |names: &Names| names.members.iter().map(|(name, _)| name.clone()).collect();
        Self { of: to.name.name.clone(), from: all(from), to: all(to) }
    }
}

/// Compares types, each pair of them once.
pub(super) struct Planner {
    direction: Direction,
    trail: Vec<String>,
    done: HashMap<(Address, Address), Plan>,
}

type Planned = Result<Plan, Mismatch>;

impl Planner {
    pub(super) fn new(direction: Direction) -> Self {
        Self { direction, trail: Vec::new(), done: HashMap::new() }
    }

    /// All parameters: like a record, by name.
    pub(super) fn params(&mut self, from: &[Param], to: &[Param]) -> Planned {
        let of = |params: &[Param]| -> Vec<(String, Shape)> {
            params.iter().map(|param| (param.name.clone(), param.shape.clone())).collect()
        };
        let (from, to) = (of(from), of(to));
        self.members(&members(&from), &members(&to))
    }

    /// An answer, where there is one.
    pub(super) fn answer(&mut self, from: Option<&Shape>, to: Option<&Shape>) -> Planned {
        match (from, to) {
            (None, None) => Ok(Plan::Same),
            (Some(from), Some(to)) => self.shape(from, to),
            (Some(_), None) => Ok(Plan::Nothing),
            // `null` is what is answered then, and what an option without a value is.
            (None, Some(Shape::Option(_))) => Ok(Plan::Same),
            (None, Some(to)) => Err(self.mismatch(None, Some(to))),
        }
    }

    pub(super) fn shape(&mut self, from: &Shape, to: &Shape) -> Planned {
        let Some(pair) = address(from).zip(address(to)) else { return self.compare(from, to) };
        if let Some(done) = self.done.get(&pair) {
            return Ok(done.clone());
        }
        let plan = self.compare(from, to)?;
        self.done.insert(pair, plan.clone());
        Ok(plan)
    }

    fn compare(&mut self, from: &Shape, to: &Shape) -> Planned {
        match (from, to) {
            (Shape::List(a), Shape::List(b)) => self.items(a, b),
            (Shape::FixedList(a, n), Shape::FixedList(b, m)) if n == m => self.items(a, b),
            (Shape::Map(key, a), Shape::Map(other, b))
                if matches!((&**key, &**other), (Shape::String, Shape::String)) =>
            {
                let plan = self.within("*", |planner| planner.shape(a, b))?;
                Ok(unless_same(plan, Plan::Entries))
            }
            // In JSON a list of pairs.
            (Shape::Map(key, a), Shape::Map(other, b))
                if !matches!((&**key, &**other), (Shape::String, _) | (_, Shape::String)) =>
            {
                self.within("*", |planner| {
                    let pair = [
                        planner.within("0", |planner| planner.shape(key, other))?,
                        planner.within("1", |planner| planner.shape(a, b))?,
                    ];
                    Ok(unless_same(tuple(pair.to_vec()), Plan::List))
                })
            }
            (Shape::Tuple(a), Shape::Tuple(b)) if a.items.len() == b.items.len() => {
                let pairs = a.items.iter().zip(&b.items).enumerate();
                let plans = pairs.map(|(at, (a, b))| self.within(&at.to_string(), |planner| planner.shape(a, b)));
                Ok(tuple(plans.collect::<Result<_, _>>()?))
            }
            (Shape::Option(a), Shape::Option(b)) if a.is_nullable() == b.is_nullable() => {
                let of = if a.is_nullable() { Plan::Wrapped } else { Plan::Optional };
                self.shape(a, b).map(|plan| unless_same(plan, of))
            }
            (a, Shape::Option(b)) if !a.is_nullable() && !b.is_nullable() => self.shape(a, b),
            (Shape::Option(a), b) if !a.is_nullable() && !b.is_nullable() => {
                self.shape(a, b).map(|plan| Plan::Needed(Arc::new(plan)))
            }
            (Shape::Result(ok, error), Shape::Result(other_ok, other_error)) => {
                let types = (from.wit_name(), to.wit_name());
                let payload = |part: &Option<Arc<Shape>>| part.as_deref().cloned();
                let from = [("ok".to_owned(), payload(ok)), ("error".to_owned(), payload(error))];
                let to = [("ok".to_owned(), payload(other_ok)), ("error".to_owned(), payload(other_error))];
                self.cases(&from, &to, "result".to_owned(), types)
            }
            (Shape::Record(a), Shape::Record(b)) => self.members(&fields(a), &fields(b)),
            (Shape::Variant(a), Shape::Variant(b)) => {
                let of = |variant: &Variant| -> Vec<(String, Option<Shape>)> {
                    variant.cases.iter().map(|Case { name, shape, .. }| (name.clone(), shape.clone())).collect()
                };
                self.cases(&of(a), &of(b), b.name.name.clone(), (from.wit_name(), to.wit_name()))
            }
            (Shape::Enum(a), Shape::Enum(b)) => {
                self.names(a, b, Plan::Name).ok_or_else(|| self.mismatch(Some(from), Some(to)))
            }
            (Shape::Flags(a), Shape::Flags(b)) => {
                Ok(self.names(a, b, Plan::Names).unwrap_or_else(|| Plan::Names(Arc::new(Known::of(a, b)))))
            }
            (a, b) if is_within(a, b) => Ok(Plan::Same),
            (a, b) => Err(self.mismatch(Some(a), Some(b))),
        }
    }

    fn items(&mut self, from: &Shape, to: &Shape) -> Planned {
        let plan = self.within("*", |planner| planner.shape(from, to))?;
        Ok(unless_same(plan, Plan::List))
    }

    fn members(&mut self, from: &[(&str, &Shape)], to: &[(&str, &Shape)]) -> Planned {
        let find = |members: &[(&str, &Shape)], wanted: &str| {
            members.iter().find(|(name, _)| *name == wanted).map(|(_, shape)| (*shape).clone())
        };
        let mut members = BTreeMap::new();
        for (name, shape) in from {
            let member = match (find(to, name), self.direction) {
                (Some(to), direction) => {
                    let plan = self.within(name, |planner| planner.shape(shape, &to))?;
                    let absent = absent(shape, &to, &plan, direction);
                    Member::Take(plan, absent)
                }
                (None, Direction::Answer) => Member::Drop,
                // It need not be given, and where it is, it cannot be passed on.
                (None, Direction::Request) if shape.has_default() => Member::Refuse((*shape).clone()),
                (None, Direction::Request) => return Err(self.within(name, |p| p.mismatch(Some(shape), None))),
            };
            members.insert((*name).to_owned(), member);
        }
        for (name, shape) in to.iter().filter(|(name, _)| find(from, name).is_none()) {
            let may_be_absent = match self.direction {
                Direction::Request => shape.has_default(),
                // `false` and no items would be said by nobody.
                Direction::Answer => matches!(shape, Shape::Option(_)),
            };
            if !may_be_absent {
                return Err(self.within(name, |planner| planner.mismatch(None, Some(shape))));
            }
        }
        // What must be there in both forms is found missing by whoever reads the other one.
        let stays = |member: &Member| matches!(member, Member::Take(Plan::Same, Absent::Same | Absent::Needed));
        if members.values().all(stays) {
            return Ok(Plan::Same);
        }
        Ok(Plan::Record(Arc::new(Members { members })))
    }

    fn cases(
        &mut self,
        from: &[(String, Option<Shape>)],
        to: &[(String, Option<Shape>)],
        of: String,
        types: (String, String),
    ) -> Planned {
        let mut cases = BTreeMap::new();
        for (name, payload) in from {
            let Some((_, other)) = to.iter().find(|(known, _)| known == name) else { continue };
            let plan = self.within(name, |planner| match (payload, other) {
                (None, None) => Ok(Plan::Same),
                (Some(from), Some(to)) => planner.shape(from, to),
                (from, to) => Err(planner.mismatch(from.as_ref(), to.as_ref())),
            })?;
            cases.insert(name.clone(), plan);
        }
        if cases.is_empty() {
            return Err(self.differ(Some(types.0), Some(types.1)));
        }
        if cases.len() == from.len() && cases.values().all(|plan| matches!(plan, Plan::Same)) {
            return Ok(Plan::Same);
        }
        let all = |cases: &[(String, Option<Shape>)]| cases.iter().map(|(name, _)| name.clone()).collect();
        Ok(Plan::Cases(Arc::new(Cases { cases, known: Known { of, from: all(from), to: all(to) } })))
    }

    /// None where no name is in both.
    fn names(&self, from: &Names, to: &Names, of: fn(Arc<Known>) -> Plan) -> Option<Plan> {
        let known = Known::of(from, to);
        let both = known.from.intersection(&known.to).count();
        match both {
            all if all == from.members.len() => Some(Plan::Same),
            0 => None,
            _ => Some(of(Arc::new(known))),
        }
    }

    fn within<T>(&mut self, segment: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.trail.push(segment.to_owned());
        let done = work(self);
        self.trail.pop();
        done
    }

    fn mismatch(&self, from: Option<&Shape>, to: Option<&Shape>) -> Mismatch {
        let name = |shape: Option<&Shape>| shape.map(Shape::wit_name);
        self.differ(name(from), name(to))
    }

    fn differ(&self, from: Option<String>, to: Option<String>) -> Mismatch {
        let mut trail = Trail::default();
        self.trail.iter().rev().for_each(|segment| trail.push(segment));
        Mismatch {
            part: if self.direction == Direction::Request { Part::Request } else { Part::Answer },
            pointer: trail.pointer(),
            from: from.map(|name| format!("`{name}`")),
            to: to.map(|name| format!("`{name}`")),
            versions: None,
        }
    }
}

/// What it means where a member is left out. Nothing is guessed: `false` that was meant does not become "nothing said", nor
/// the other way round.
fn absent(from: &Shape, to: &Shape, plan: &Plan, direction: Direction) -> Absent {
    match (from.has_default(), to.has_default(), direction) {
        _ if matches!(plan, Plan::Needed(_)) => Absent::Needed,
        (false, true, Direction::Request) => Absent::Required,
        (false, true, Direction::Answer) => Absent::Same,
        (false, false, _) | (true, false, Direction::Answer) => Absent::Needed,
        (true, _, _) if is_left_out_alike(from, to) => Absent::Same,
        (true, _, Direction::Request) => Absent::Means(left_out(from)),
        // The host leaves nothing out of an answer but options, and there nothing said is nothing said.
        (true, true, Direction::Answer) => Absent::Same,
    }
}

/// Whether two members that may be left out mean the same where they are.
fn is_left_out_alike(from: &Shape, to: &Shape) -> bool {
    match (from, to) {
        (Shape::Option(_), Shape::Option(_))
        | (Shape::Bool, Shape::Bool)
        | (Shape::List(_), Shape::List(_))
        | (Shape::Flags(_), Shape::Flags(_)) => true,
        (Shape::Record(from), Shape::Record(to)) => to.fields.iter().all(|field| {
            let other = from.fields.iter().find(|other| other.name == field.name);
            field.shape.has_default() && other.is_none_or(|other| is_left_out_alike(&other.shape, &field.shape))
        }),
        _ => false,
    }
}

/// What a member that is left out stands for, as JSON.
fn left_out(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "false".to_owned(),
        Shape::List(_) | Shape::Flags(_) => "[]".to_owned(),
        Shape::Record(record) => {
            // Names of WIT need no escapes.
            let fields = record.fields.iter().map(|field| format!("\"{}\":{}", field.name, left_out(&field.shape)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        _ => "null".to_owned(),
    }
}

fn members(all: &[(String, Shape)]) -> Vec<(&str, &Shape)> {
    all.iter().map(|(name, shape)| (name.as_str(), shape)).collect()
}

fn fields(record: &Record) -> Vec<(&str, &Shape)> {
    record.fields.iter().map(|Field { name, shape, .. }| (name.as_str(), shape)).collect()
}

fn tuple(plans: Vec<Plan>) -> Plan {
    if plans.iter().all(|plan| matches!(plan, Plan::Same)) { Plan::Same } else { Plan::Tuple(plans.into()) }
}

fn unless_same(plan: Plan, of: fn(Arc<Plan>) -> Plan) -> Plan {
    if matches!(plan, Plan::Same) { plan } else { of(Arc::new(plan)) }
}

/// Whether every value of a simple type is one of another, in the same spelling. A number of 32 bits with a point is none of
/// 64: the shortest text for it stands for another number there.
fn is_within(from: &Shape, to: &Shape) -> bool {
    let range = |shape: &Shape| -> Option<(i128, i128)> {
        Some(match shape {
            Shape::U8 => (0, u8::MAX.into()),
            Shape::U16 => (0, u16::MAX.into()),
            Shape::U32 => (0, u32::MAX.into()),
            Shape::U64 => (0, u64::MAX.into()),
            Shape::S8 => (i8::MIN.into(), i8::MAX.into()),
            Shape::S16 => (i16::MIN.into(), i16::MAX.into()),
            Shape::S32 => (i32::MIN.into(), i32::MAX.into()),
            Shape::S64 => (i64::MIN.into(), i64::MAX.into()),
            _ => return None,
        })
    };
    match (from, to) {
        (Shape::Bool, Shape::Bool)
        | (Shape::F32, Shape::F32)
        | (Shape::F64, Shape::F64)
        | (Shape::Char, Shape::Char)
        | (Shape::Char, Shape::String)
        | (Shape::String, Shape::String)
        | (Shape::Bytes, Shape::Bytes) => true,
        (from, to) => range(from).zip(range(to)).is_some_and(|(from, to)| to.0 <= from.0 && from.1 <= to.1),
    }
}

/// A type that others may share, to know it again: what it is, and where its parts are.
type Address = (std::mem::Discriminant<Shape>, usize);

fn address(shape: &Shape) -> Option<Address> {
    let parts = match shape {
        Shape::List(part) | Shape::Option(part) => Arc::as_ptr(part).addr(),
        Shape::Tuple(tuple) => Arc::as_ptr(tuple).addr(),
        Shape::Record(record) => Arc::as_ptr(record).addr(),
        Shape::Variant(variant) => Arc::as_ptr(variant).addr(),
        _ => return None,
    };
    Some((std::mem::discriminant(shape), parts))
}
