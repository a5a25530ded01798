//! In what two answers of the same type differ: where, and how. What is compared are values and not texts: a field that is left
//! out is none, a map has no order, and an element that a list lost does not make all behind it differ.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::{Shape, error::pointer};

/// How two values differ at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueDifferenceKind {
    /// Both have something else there.
    Value,
    /// Only the first has something there.
    Missing,
    /// Only the second has something there.
    Extra,
    /// A list has its elements in another order.
    Order,
}

/// In what two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueDifference {
    /// Where: a JSON Pointer (RFC 6901). Elements of lists are named by where the first value has them, and one that only the
    /// second has by where that has it.
    pub pointer: String,
    /// The same with `*` for every index of a list: what stays the same when a list grows.
    pub place: String,
    /// How.
    pub kind: ValueDifferenceKind,
    /// What the first has there.
    pub first: Option<Value>,
    /// What the second has there.
    pub second: Option<Value>,
}

impl ValueDifference {
    /// Whether this is the same difference, be it at another index of a list.
    pub fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.place == other.place && self.first == other.first && self.second == other.second
    }
}

/// In what two values of a shape differ, at most `most` differences. Both are what [`encode`](crate::encode()) writes of the shape;
/// without one, as for answers of different types, they are compared as the JSON that they are.
///
/// ```
/// use jackfield_reflect::{Shape, ValueDifferenceKind, compare};
/// use serde_json::json;
///
/// let shape = Shape::List(Shape::String.into());
/// let found = compare(Some(&shape), &json!(["a", "b", "c"]), &json!(["a", "c"]), 10);
/// assert_eq!((found[0].kind, found[0].pointer.as_str()), (ValueDifferenceKind::Missing, "/1"));
/// assert_eq!(found.len(), 1, "`c` is another element, and there");
/// ```
pub fn compare(shape: Option<&Shape>, first: &Value, second: &Value, most: usize) -> Vec<ValueDifference> {
    let mut walk = Walk { path: Vec::new(), found: Vec::new(), most };
    walk.value(shape, first, second);
    walk.found
}

/// A step into a value.
enum Step {
    Member(String),
    Index(usize),
}

struct Walk {
    path: Vec<Step>,
    found: Vec<ValueDifference>,
    most: usize,
}

impl Walk {
    fn value(&mut self, shape: Option<&Shape>, first: &Value, second: &Value) {
        if first == second || self.found.len() >= self.most {
            return;
        }
        match (shape, first, second) {
            // An element that is none has its place all the same.
            (_, Value::Null, _) | (_, _, Value::Null) if matches!(self.path.last(), Some(Step::Index(_))) => {
                self.tell(ValueDifferenceKind::Value, Some(first), Some(second));
            }
            (_, Value::Null, there) => self.tell(ValueDifferenceKind::Extra, None, Some(there)),
            (_, there, Value::Null) => self.tell(ValueDifferenceKind::Missing, Some(there), None),
            (Some(Shape::Option(inner)), ..) if inner.is_nullable() => self.member("some", Some(inner), first, second),
            (Some(Shape::Option(inner)), ..) => self.value(Some(inner), first, second),
            (Some(Shape::Record(record)), Value::Object(_), Value::Object(_)) => {
                for field in &record.fields {
                    self.member(&field.name, Some(&field.shape), first, second);
                }
            }
            (Some(Shape::List(item) | Shape::FixedList(item, _)), Value::Array(first), Value::Array(second)) => {
                self.list(Some(item), first, second);
            }
            (Some(Shape::Tuple(tuple)), Value::Array(first), Value::Array(second)) => {
                for (index, ((item, first), second)) in tuple.items.iter().zip(first).zip(second).enumerate() {
                    self.at(Step::Index(index), |walk| walk.value(Some(item), first, second));
                }
            }
            (Some(Shape::Map(_, value)), Value::Object(_), Value::Object(_)) => {
                self.members(Some(value), first, second);
            }
            (Some(Shape::Map(_, value)), Value::Array(first), Value::Array(second)) => {
                self.pairs(value, first, second);
            }
            (Some(Shape::Variant(variant)), ..) => {
                let both = |name: &str| first.get(name).is_some() && second.get(name).is_some();
                match variant.cases.iter().find(|case| both(&case.name)) {
                    Some(case) => self.member(&case.name, case.shape.as_ref(), first, second),
                    None => self.tell(ValueDifferenceKind::Value, Some(first), Some(second)),
                }
            }
            (Some(Shape::Result(ok, error)), ..) => {
                let both = |name: &str| first.get(name).is_some() && second.get(name).is_some();
                match (both("ok"), both("error")) {
                    (true, _) => self.member("ok", ok.as_deref(), first, second),
                    (_, true) => self.member("error", error.as_deref(), first, second),
                    _ => self.tell(ValueDifferenceKind::Value, Some(first), Some(second)),
                }
            }
            (None, Value::Object(_), Value::Object(_)) => self.members(None, first, second),
            (None, Value::Array(first), Value::Array(second)) => self.list(None, first, second),
            _ => self.tell(ValueDifferenceKind::Value, Some(first), Some(second)),
        }
    }

    /// A member of two objects; what is left out is none.
    fn member(&mut self, name: &str, shape: Option<&Shape>, first: &Value, second: &Value) {
        let of = |value: &Value| value.get(name).cloned();
        let (first, second) = (of(first).unwrap_or_default(), of(second).unwrap_or_default());
        self.at(Step::Member(name.to_owned()), |walk| walk.value(shape, &first, &second));
    }

    /// All members of two objects.
    fn members(&mut self, shape: Option<&Shape>, first: &Value, second: &Value) {
        let names = |value: &Value| value.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
        let (mut all, more): (Vec<String>, Vec<String>) = (names(first), names(second));
        all.extend(more);
        all.sort_unstable();
        all.dedup();
        for name in all {
            self.member(&name, shape, first, second);
        }
    }

    /// The pairs of two maps whose keys are no texts. They have no order.
    fn pairs(&mut self, shape: &Shape, first: &[Value], second: &[Value]) {
        let key = |pair: &Value| pair.get(0).map(Value::to_string).unwrap_or_default();
        let (mut pairs, left, more) = matched(first, second, key);
        pairs.sort_unstable();
        for (index, other) in pairs {
            let value =
                |all: &[Value], at: usize| all.get(at).and_then(|pair| pair.get(1)).cloned().unwrap_or_default();
            let (first, second) = (value(first, index), value(second, other));
            self.at(Step::Index(index), |walk| {
                walk.at(Step::Index(1), |walk| walk.value(Some(shape), &first, &second));
            });
        }
        self.unmatched(first, &left, second, &more);
    }

    /// Two lists. Equal elements belong together wherever they are; of the others those that begin alike, as records of one
    /// name do; and what is left then by where it is.
    fn list(&mut self, shape: Option<&Shape>, first: &[Value], second: &[Value]) {
        let (mut pairs, mut left, mut more) = matched(first, second, Value::to_string);
        let (equal, named) = (pairs.len(), left.iter().all(|index| head(shape, first, *index).is_some()));
        let heads = |all: &[Value], indexes: &[usize]| -> Vec<Value> {
            indexes.iter().map(|index| head(shape, all, *index).map_or(Value::Null, Value::String)).collect()
        };
        if named {
            let (by_head, still, still_more) = matched(&heads(first, &left), &heads(second, &more), Value::to_string);
            pairs.extend(by_head.iter().filter_map(|(a, b)| Some((*left.get(*a)?, *more.get(*b)?))));
            left = still.iter().filter_map(|index| left.get(*index).copied()).collect();
            more = still_more.iter().filter_map(|index| more.get(*index).copied()).collect();
        }
        // Where as many are left on both sides, one that is called otherwise at the same place was renamed.
        if !named || left.len() == more.len() {
            let same: Vec<usize> = left.iter().copied().filter(|at| more.binary_search(at).is_ok()).collect();
            left.retain(|at| same.binary_search(at).is_err());
            more.retain(|at| same.binary_search(at).is_err());
            pairs.extend(same.iter().map(|index| (*index, *index)));
        }
        let mut changed: Vec<(usize, usize)> = pairs.iter().skip(equal).copied().collect();
        pairs.sort_unstable();
        if !pairs.is_sorted_by_key(|(_, other)| *other) {
            let whole = |all: &[Value]| Value::Array(all.to_vec());
            self.tell(ValueDifferenceKind::Order, Some(&whole(first)), Some(&whole(second)));
        }
        changed.sort_unstable();
        for (index, other) in changed {
            if let (Some(first), Some(second)) = (first.get(index), second.get(other)) {
                self.at(Step::Index(index), |walk| walk.value(shape, first, second));
            }
        }
        self.unmatched(first, &left, second, &more);
    }

    /// Elements that only one of two lists has.
    fn unmatched(&mut self, first: &[Value], left: &[usize], second: &[Value], more: &[usize]) {
        for index in left {
            self.at(Step::Index(*index), |walk| walk.tell(ValueDifferenceKind::Missing, first.get(*index), None));
        }
        for index in more {
            self.at(Step::Index(*index), |walk| walk.tell(ValueDifferenceKind::Extra, None, second.get(*index)));
        }
    }

    fn at(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.path.push(step);
        walk(self);
        self.path.pop();
    }

    fn tell(&mut self, kind: ValueDifferenceKind, first: Option<&Value>, second: Option<&Value>) {
        if self.found.len() >= self.most {
            return;
        }
        let spelt = |index: &dyn Fn(usize) -> String| {
            let step = |step: &Step| match step {
                Step::Member(name) => name.clone(),
                Step::Index(at) => index(*at),
            };
            pointer(self.path.iter().map(step))
        };
        let (at, place) = (spelt(&|at| at.to_string()), spelt(&|_| "*".to_owned()));
        let (first, second) = (first.cloned(), second.cloned());
        self.found.push(ValueDifference { pointer: at, place, kind, first, second });
    }
}

/// Elements that have the same key, each with the first of the others that is still free; and those that are left over.
fn matched(
    first: &[Value],
    second: &[Value],
    key: impl Fn(&Value) -> String,
) -> (Vec<(usize, usize)>, Vec<usize>, Vec<usize>) {
    let mut free: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (index, value) in second.iter().enumerate() {
        free.entry(key(value)).or_default().push_back(index);
    }
    let (mut pairs, mut left) = (Vec::new(), Vec::new());
    for (index, value) in first.iter().enumerate() {
        match free.get_mut(&key(value)).and_then(VecDeque::pop_front) {
            Some(other) => pairs.push((index, other)),
            None => left.push(index),
        }
    }
    let mut more: Vec<usize> = free.into_values().flatten().collect();
    more.sort_unstable();
    (pairs, left, more)
}

/// What an element of a list is called: a record by its first field, a variant by its case and what is in it.
fn head(shape: Option<&Shape>, all: &[Value], index: usize) -> Option<String> {
    fn of(shape: &Shape, value: &Value) -> Option<String> {
        match shape {
            Shape::Record(record) => {
                let field = record.fields.first()?;
                match value.get(&field.name)? {
                    found @ (Value::String(_) | Value::Number(_)) => Some(found.to_string()),
                    _ => None,
                }
            }
            Shape::Variant(variant) => {
                let case = variant.cases.iter().find(|case| value.get(&case.name).is_some())?;
                let inner = case.shape.as_ref().zip(value.get(&case.name)).and_then(|(shape, value)| of(shape, value));
                Some(format!("{} {}", case.name, inner?))
            }
            _ => None,
        }
    }
    of(shape?, all.get(index)?)
}

#[cfg(test)]
mod tests;
