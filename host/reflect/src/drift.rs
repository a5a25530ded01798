//! Where two readings of one interface differ, in words that name what to change.
//!
//! A linker would say "type mismatch". Here the answer is "`query` gained a parameter `limit`": the difference a person
//! would see in a diff of the two WIT files, by structure and never by the order of declarations that do not matter.

use std::{collections::HashSet, fmt};

use crate::{
    model::{Function, Interface},
    shape::{Shape, TypeName},
};

/// One difference between two readings of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The interface.
    pub interface: String,
    /// What differs, as a sentence about the second reading: "`query` gained a parameter `limit`".
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.interface, self.what)
    }
}

/// How `found` differs from `expected`. Docs do not count.
pub fn differences(expected: &Interface, found: &Interface) -> Vec<Difference> {
    compare(expected, found, true)
}

/// As [`differences`], for an interface that a component imports: it need not use every function.
pub fn import_differences(offered: &Interface, imported: &Interface) -> Vec<Difference> {
    compare(offered, imported, false)
}

fn compare(expected: &Interface, found: &Interface, whole: bool) -> Vec<Difference> {
    let mut report = Report { interface: &found.id, out: Vec::new(), seen: HashSet::new() };
    for function in &expected.functions {
        match found.functions.iter().find(|f| f.name == function.name) {
            Some(found) => report.function(function, found),
            None if whole => report.say(format!("function `{}` is missing", function.name)),
            None => {}
        }
    }
    for function in &found.functions {
        if !expected.functions.iter().any(|f| f.name == function.name) {
            report.say(format!("function `{}` is not part of it", function.name));
        }
    }
    report.out
}

struct Report<'a> {
    interface: &'a str,
    out: Vec<Difference>,
    /// Named types, by interface and name, that were compared already: each is reported once.
    seen: HashSet<(String, String)>,
}

impl Report<'_> {
    fn say(&mut self, what: String) {
        self.out.push(Difference { interface: self.interface.to_owned(), what });
    }

    fn function(&mut self, expected: &Function, found: &Function) {
        let name = &expected.name;
        if expected.freestanding != found.freestanding {
            self.say(format!("`{name}` is another kind of function (async, or a resource's)"));
        }
        let names = |f: &Function| f.params.iter().map(|param| param.name.clone()).collect::<Vec<_>>();
        let (old, new) = (names(expected), names(found));
        let lost: Vec<_> = old.iter().filter(|p| !new.contains(p)).collect();
        let gained: Vec<_> = new.iter().filter(|p| !old.contains(p)).collect();
        match (&lost[..], &gained[..]) {
            ([], []) if old != new => {
                self.say(format!("`{name}` takes its parameters in another order: {}", new.join(", ")));
            }
            ([from], [to]) => self.say(format!("`{name}`'s parameter `{from}` was renamed to `{to}`")),
            (lost, gained) => {
                for param in lost {
                    self.say(format!("`{name}` lost its parameter `{param}`"));
                }
                for param in gained {
                    self.say(format!("`{name}` gained a parameter `{param}`"));
                }
            }
        }
        for param in &expected.params {
            if let Some(found) = found.params.iter().find(|found| found.name == param.name) {
                self.shape(&format!("`{name}`'s parameter `{}`", param.name), &param.shape, &found.shape);
            }
        }
        self.optional(&format!("`{name}`'s result"), expected.result.as_ref(), found.result.as_ref());
    }

    fn optional(&mut self, place: &str, expected: Option<&Shape>, found: Option<&Shape>) {
        match (expected, found) {
            (Some(expected), Some(found)) => self.shape(place, expected, found),
            (None, None) => {}
            (expected, found) => {
                let name = |s: Option<&Shape>| s.map_or("nothing".to_owned(), |s| format!("`{}`", s.wit_name()));
                self.say(format!("{place} changed from {} to {}", name(expected), name(found)));
            }
        }
    }

    fn members(&mut self, place: &str, word: &str, expected: &[&str], found: &[&str]) {
        for member in expected.iter().filter(|m| !found.contains(m)) {
            self.say(format!("{place} lost its {word} `{member}`"));
        }
        for member in found.iter().filter(|m| !expected.contains(m)) {
            self.say(format!("{place} gained a {word} `{member}`"));
        }
        if expected.len() == found.len() && expected != found && expected.iter().all(|m| found.contains(m)) {
            self.say(format!("{place} has its {word}s in another order"));
        }
    }

    fn shape(&mut self, place: &str, expected: &Shape, found: &Shape) {
        let names = |members: &[(String, String)]| members.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        // By name too, not by structure alone: what a type is called decides what an operation is (see `write-options`).
        if let (Some(a), Some(b)) = (expected.type_name(), found.type_name())
            && (&a.interface, &a.name) != (&b.interface, &b.name)
        {
            let full = |name: &TypeName| format!("`{}.{}`", name.interface, name.name);
            return self.say(format!("{place} changed from {} to {}", full(a), full(b)));
        }
        match (expected, found) {
            (Shape::List(a), Shape::List(b)) | (Shape::Option(a), Shape::Option(b)) => self.shape(place, a, b),
            (Shape::FixedList(a, n), Shape::FixedList(b, m)) if n == m => self.shape(place, a, b),
            (Shape::Map(a, b), Shape::Map(c, d)) => {
                self.shape(place, a, c);
                self.shape(place, b, d);
            }
            (Shape::Tuple(a), Shape::Tuple(b)) if a.items.len() == b.items.len() => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    self.shape(place, a, b);
                }
            }
            (Shape::Result(a, b), Shape::Result(c, d)) => {
                self.optional(place, a.as_deref(), c.as_deref());
                self.optional(place, b.as_deref(), d.as_deref());
            }
            (Shape::Record(a), Shape::Record(b)) => {
                if !self.first_time(&a.name) {
                    return;
                }
                let fields = |r: &crate::Record| r.fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
                let place = format!("record `{}`", b.name.name);
                self.members(&place, "field", &strs(&fields(a)), &strs(&fields(b)));
                for field in &a.fields {
                    if let Some(found) = b.fields.iter().find(|f| f.name == field.name) {
                        self.shape(&format!("{place}'s field `{}`", field.name), &field.shape, &found.shape);
                    }
                }
            }
            (Shape::Variant(a), Shape::Variant(b)) => {
                if !self.first_time(&a.name) {
                    return;
                }
                let cases = |v: &crate::Variant| v.cases.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
                let place = format!("variant `{}`", b.name.name);
                self.members(&place, "case", &strs(&cases(a)), &strs(&cases(b)));
                for case in &a.cases {
                    if let Some(found) = b.cases.iter().find(|c| c.name == case.name) {
                        let place = format!("{place}'s case `{}`", case.name);
                        self.optional(&place, case.shape.as_ref(), found.shape.as_ref());
                    }
                }
            }
            (Shape::Enum(a), Shape::Enum(b)) | (Shape::Flags(a), Shape::Flags(b)) => {
                if self.first_time(&a.name) {
                    let place = format!("`{}`", b.name.name);
                    self.members(&place, "member", &strs(&names(&a.members)), &strs(&names(&b.members)));
                }
            }
            (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) && !structured(a) => {}
            (a, b) => {
                self.say(format!("{place} changed from `{}` to `{}`", a.wit_name(), b.wit_name()));
            }
        }
    }

    fn first_time(&mut self, name: &TypeName) -> bool {
        self.seen.insert((name.interface.clone(), name.name.clone()))
    }
}

/// Shapes that differ although they are of one kind: tuples and fixed lists of another length, other handles.
fn structured(shape: &Shape) -> bool {
    match shape {
        Shape::Tuple(_) | Shape::FixedList(..) => true,
        // A handle's name is compared by nothing else, but its text holds only its kind and its resource's name.
        Shape::Handle(_) => false,
        _ => false,
    }
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_wit;

    fn drift(before: &str, after: &str) -> Vec<String> {
        let read = |body: &str| {
            let text = format!("package a:b@0.1.0; interface b {{ {body} }}");
            read_wit(&text).unwrap().remove(0).interfaces.remove(0)
        };
        differences(&read(before), &read(after)).into_iter().map(|d| d.what).collect()
    }

    #[test]
    fn the_same_interface_differs_in_nothing_whatever_its_docs_say() {
        let body = "record r { a: u8 } f: func(x: r) -> result<list<r>, string>;";
        assert_eq!(drift(body, &format!("/// Docs.\n{body}")), Vec::<String>::new());
    }

    #[test]
    fn a_type_of_the_same_form_and_another_name_is_another_type() {
        let before = "record write-options { dry-run: bool } put: func(options: write-options);";
        let after = "record write-options { dry-run: bool } record wopts { dry-run: bool } put: func(options: wopts);";
        assert_eq!(
            drift(before, after),
            ["`put`'s parameter `options` changed from `a:b/b@0.1.0.write-options` to `a:b/b@0.1.0.wopts`"]
        );
    }

    #[test]
    fn a_changed_parameter_is_named() {
        let before = "query: func(q: string) -> u32;";
        assert_eq!(drift(before, "query: func(q: string, limit: u32) -> u32;"), ["`query` gained a parameter `limit`"]);
        assert_eq!(
            drift(before, "query: func(expr: string) -> u32;"),
            ["`query`'s parameter `q` was renamed to `expr`"]
        );
        assert_eq!(drift(before, "query: func() -> u32;"), ["`query` lost its parameter `q`"]);
        assert_eq!(
            drift(before, "query: func(q: u64) -> u32;"),
            ["`query`'s parameter `q` changed from `string` to `u64`"]
        );
    }

    #[test]
    fn a_changed_type_is_reported_once_where_it_is_defined() {
        let before = "record r { a: u8, b: string } f: func(x: r) -> r; g: func() -> list<r>;";
        let after = "record r { a: u16 } f: func(x: r) -> r; g: func() -> list<r>;";
        assert_eq!(
            drift(before, after),
            ["record `r` lost its field `b`", "record `r`'s field `a` changed from `u8` to `u16`"]
        );
    }

    #[test]
    fn a_missing_and_an_added_function_are_named() {
        assert_eq!(drift("f: func();", "g: func();"), ["function `f` is missing", "function `g` is not part of it"]);
    }

    #[test]
    fn cases_in_another_order_are_another_variant() {
        assert_eq!(
            drift("variant v { a, b } f: func(x: v);", "variant v { b, a } f: func(x: v);"),
            ["variant `v` has its cases in another order"]
        );
    }
}
