//! What was measured, for people as it comes and for machines at the end.

use serde_json::{Value, json};

/// All rows so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Value>,
    group: String,
}

impl Table {
    /// Adds a figure, and what it is compared to: its ratio to that, or a bound.
    pub(crate) fn add(&mut self, group: &str, case: &str, who: &str, value: f64, unit: &str, note: &str) {
        if self.group != group {
            println!("\n== {group}");
            self.group = group.to_owned();
        }
        println!("{case:<28} {who:<34} {:>12} {unit:<8} {note}", figure(value));
        self.rows.push(json!({"group": group, "case": case, "who": who, "value": value, "unit": unit, "note": note}));
    }

    /// The rows as one line of JSON.
    pub(crate) fn json(&self) -> Value {
        json!({ "rows": self.rows })
    }
}

fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
