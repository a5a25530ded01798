use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
};
use serde_json::json;

use super::*;
use crate::{Operation, operations, read_wit};

/// The shape of what an operation answers that is written as WIT.
fn shape(types: &str, answer: &str) -> Shape {
    let wit = format!("package acme:x@0.1.0; interface x {{ {types} f: func() -> {answer}; }}");
    let packages = read_wit(&wit).unwrap();
    let Operation { ok, .. } = operations(&packages[0]).unwrap().remove(0);
    ok.unwrap()
}

fn entries() -> Shape {
    shape(
        "record entry { key: string, value: string, lease: option<string> }
         record entry-page { items: list<entry>, next: option<string> }",
        "entry-page",
    )
}

fn told(shape: &Shape, first: &Value, second: &Value) -> Vec<(ValueDifferenceKind, String)> {
    compare(Some(shape), first, second, 100).into_iter().map(|found| (found.kind, found.pointer)).collect()
}

fn one(kind: ValueDifferenceKind, pointer: &str) -> Vec<(ValueDifferenceKind, String)> {
    vec![(kind, pointer.to_owned())]
}

use ValueDifferenceKind as Kind;

#[test]
fn a_field_that_changed_is_found_in_the_element_of_its_name_wherever_that_stands() {
    let first = json!({"items": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "c", "value": "3"}]});
    let changed =
        json!({"items": [{"key": "a", "value": "1"}, {"key": "b", "value": "x"}, {"key": "c", "value": "3"}]});
    assert_eq!(told(&entries(), &first, &changed), one(Kind::Value, "/items/1/value"));
    let fewer = json!({"items": [{"key": "b", "value": "x"}, {"key": "c", "value": "3"}]});
    let (value, missing) = (one(Kind::Value, "/items/1/value"), one(Kind::Missing, "/items/0"));
    assert_eq!(told(&entries(), &first, &fewer), [value, missing].concat());
}

#[test]
fn an_optional_field_is_missing_or_extra_and_never_another_value() {
    let without = json!({"items": [{"key": "a", "value": "1"}]});
    let with = json!({"items": [{"key": "a", "value": "1", "lease": "7"}], "next": null});
    assert_eq!(told(&entries(), &with, &without), one(Kind::Missing, "/items/0/lease"));
    assert_eq!(told(&entries(), &without, &with), one(Kind::Extra, "/items/0/lease"));
}

#[test]
fn another_order_of_a_list_is_told_once_and_as_that() {
    let first = json!({"items": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "c", "value": "3"}]});
    let turned = json!({"items": [{"key": "c", "value": "3"}, {"key": "b", "value": "2"}, {"key": "a", "value": "1"}]});
    assert_eq!(told(&entries(), &first, &turned), one(Kind::Order, "/items"));
    let and_changed =
        json!({"items": [{"key": "b", "value": "2"}, {"key": "a", "value": "x"}, {"key": "c", "value": "3"}]});
    let expected = [one(Kind::Order, "/items"), one(Kind::Value, "/items/0/value")].concat();
    assert_eq!(told(&entries(), &first, &and_changed), expected);
}

#[test]
fn variants_results_tuples_and_maps_are_compared_as_what_they_are() {
    let variant =
        shape("record put { key: string, n: u32 } variant change { put(put), deleted(string) }", "list<change>");
    let first = json!([{"put": {"key": "a", "n": 1}}, {"deleted": "b"}]);
    assert_eq!(
        told(&variant, &first, &json!([{"put": {"key": "a", "n": 2}}, {"deleted": "b"}])),
        one(Kind::Value, "/0/put/n")
    );
    assert_eq!(told(&variant, &first, &json!([{"deleted": "a"}, {"deleted": "b"}])), one(Kind::Value, "/0"));
    let result = shape("", "list<result<u32, string>>");
    assert_eq!(told(&result, &json!([{"ok": 1}]), &json!([{"ok": 2}])), one(Kind::Value, "/0/ok"));
    assert_eq!(told(&result, &json!([{"ok": 1}]), &json!([{"error": "no"}])), one(Kind::Value, "/0"));
    let tuple = shape("", "tuple<string, string>");
    assert_eq!(told(&tuple, &json!(["a", "b"]), &json!(["b", "a"])).len(), 2, "a tuple has no order to be another");
    let nested = shape("", "option<option<string>>");
    assert_eq!(told(&nested, &json!({"some": null}), &json!({"some": "x"})), one(Kind::Extra, "/some"));
    assert_eq!(told(&nested, &json!({"some": null}), &json!(null)), one(Kind::Missing, ""));
    let map = Shape::Map(Shape::U32.into(), Shape::String.into());
    assert_eq!(told(&map, &json!([[1, "a"], [2, "b"]]), &json!([[2, "b"], [1, "a"]])), []);
    assert_eq!(told(&map, &json!([[1, "a"], [2, "b"]]), &json!([[2, "x"], [1, "a"]])), one(Kind::Value, "/1/1"));
    assert_eq!(
        told(&map, &json!([[1, "a"]]), &json!([[2, "a"]])),
        [one(Kind::Missing, "/0"), one(Kind::Extra, "/0")].concat()
    );
}

#[test]
fn what_has_no_common_type_is_compared_as_json_and_a_name_is_escaped_in_the_pointer() {
    let found = compare(None, &json!({"a/b": {"c~": [1, 2]}}), &json!({"a/b": {"c~": [1, 3]}, "more": true}), 10);
    let pointers: Vec<_> =
        found.iter().map(|found| (found.kind, found.pointer.as_str(), found.place.as_str())).collect();
    assert_eq!(pointers, [(Kind::Value, "/a~1b/c~0/1", "/a~1b/c~0/*"), (Kind::Extra, "/more", "/more")]);
}

#[test]
fn the_same_difference_is_known_again_in_a_list_that_has_grown_meanwhile() {
    let list = Shape::List(Shape::String.into());
    let before = compare(Some(&list), &json!(["a", "b"]), &json!(["a"]), 10).remove(0);
    let later = compare(Some(&list), &json!(["0", "a", "b"]), &json!(["a"]), 10);
    assert!(later.iter().any(|found| found.is_like(&before) && found.pointer == "/2"), "{later:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..5u32).prop_map(Value::from),
        "[a-c/~]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map("[a-c]", inner, 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// The same without members that are null: those are as good as left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(all) => {
            let kept = all.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(all) => Value::Array(all.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn page(keys: impl IntoIterator<Item = String>) -> Value {
    json!({"items": keys.into_iter().map(|key| json!({"value": format!("of {key}"), "key": key})).collect::<Vec<_>>()})
}

proptest! {
    #[test]
    fn what_is_equal_has_no_difference_and_what_is_not_has_one_that_leads_to_what_it_says(a in any_json(), b in any_json()) {
        let (a, b) = (without_nulls(&a), without_nulls(&b));
        prop_assert!(compare(None, &a, &a, 10).is_empty());
        let found = compare(None, &a, &b, usize::MAX);
        prop_assert_eq!(found.is_empty(), a == b);
        for one in &found {
            match one.kind {
                Kind::Value | Kind::Missing | Kind::Order => prop_assert_eq!(a.pointer(&one.pointer), one.first.as_ref()),
                Kind::Extra => prop_assert!(one.first.is_none() && one.second.is_some()),
            }
        }
        prop_assert!(compare(None, &a, &b, 1).len() <= 1);
    }

    #[test]
    fn an_element_that_is_missing_or_extra_is_the_only_difference(keys in btree_set("[a-z]{1,4}", 1..12), at in any::<prop::sample::Index>()) {
        let all: Vec<String> = keys.into_iter().collect();
        let at = at.index(all.len());
        let fewer = all.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, key)| key.clone());
        let (all, fewer) = (page(all.clone()), page(fewer));
        let pointer = format!("/items/{at}");
        prop_assert_eq!(told(&entries(), &all, &fewer), one(Kind::Missing, &pointer));
        prop_assert_eq!(told(&entries(), &fewer, &all), one(Kind::Extra, &pointer));
    }

    #[test]
    fn a_list_that_is_shuffled_has_another_order_and_nothing_else(keys in btree_set("[a-z]{1,4}", 2..12), seed in any::<u64>()) {
        let all: Vec<String> = keys.into_iter().collect();
        let mut turned = all.clone();
        let by = usize::try_from(seed % (all.len() as u64 - 1)).unwrap() + 1;
        turned.rotate_left(by);
        prop_assert_eq!(told(&entries(), &page(all), &page(turned)), one(Kind::Order, "/items"));
    }

    #[test]
    fn one_value_that_changed_is_the_only_difference(keys in btree_set("[a-z]{1,4}", 1..12), at in any::<prop::sample::Index>()) {
        let all: Vec<String> = keys.into_iter().collect();
        let at = at.index(all.len());
        let first = page(all);
        let mut second = first.clone();
        second["items"][at]["value"] = "another".into();
        let pointer = format!("/items/{at}/value");
        prop_assert_eq!(told(&entries(), &first, &second), one(Kind::Value, &pointer));
    }
}
