//! A query's answer with every number as exactly the one that was sent. A JSON tree would not do: its parser may be off
//! by the last bit, on one side or the other, and the comparison is to the last bit.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Samples, time in milliseconds and value, by series; a series is its sorted labels.
pub type Samples = BTreeMap<Vec<(String, String)>, Vec<(i64, Exact)>>;

/// A number that equals another only when every bit does; every NaN is one.
#[derive(Debug, Clone, Copy)]
pub struct Exact(pub f64);

impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        self.0.to_bits() == other.0.to_bits() || (self.0.is_nan() && other.0.is_nan())
    }
}

/// The samples of a `query-result`, vector, matrix or scalar, as Jackfield's API gives them.
pub fn of_jackfield(body: &[u8]) -> Samples {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Data {
        Vector(Vec<Series>),
        Matrix(Vec<Series>),
        Scalar(Sample),
    }
    #[derive(Deserialize)]
    struct Series {
        labels: Vec<Label>,
        sample: Option<Sample>,
        #[serde(default)]
        samples: Vec<Sample>,
    }
    #[derive(Deserialize)]
    struct Label {
        name: String,
        value: String,
    }
    #[derive(Deserialize)]
    struct Sample {
        timestamp: i64,
        value: Box<RawValue>,
    }
    let pair = |sample: Sample| (sample.timestamp, number(sample.value.get()));
    let answer: Answer = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error} in {:.300}", lossy(body)));
    match answer.data {
        Data::Scalar(sample) => Samples::from([(Vec::new(), vec![pair(sample)])]),
        Data::Vector(list) | Data::Matrix(list) => list
            .into_iter()
            .map(|series| {
                let mut labels: Vec<_> = series.labels.into_iter().map(|label| (label.name, label.value)).collect();
                labels.sort();
                (labels, series.sample.into_iter().chain(series.samples).map(pair).collect())
            })
            .collect(),
    }
}

/// The samples of an answer of Prometheus's API.
pub fn of_prometheus(body: &[u8]) -> Samples {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    #[derive(Deserialize)]
    #[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
    enum Data {
        Vector(Vec<Series>),
        Matrix(Vec<Series>),
        Scalar(Sample),
    }
    #[derive(Deserialize)]
    struct Series {
        metric: BTreeMap<String, String>,
        value: Option<Sample>,
        #[serde(default)]
        values: Vec<Sample>,
    }
    type Sample = (f64, String);
    let pair = |(seconds, value): Sample| ((seconds * 1e3).round() as i64, number(&value));
    let answer: Answer = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error} in {:.300}", lossy(body)));
    match answer.data {
        Data::Scalar(sample) => Samples::from([(Vec::new(), vec![pair(sample)])]),
        Data::Vector(list) | Data::Matrix(list) => list
            .into_iter()
            .map(|series| {
                let values = series.value.into_iter().chain(series.values).map(pair).collect();
                (series.metric.into_iter().collect(), values)
            })
            .collect(),
    }
}

/// A number in either spelling: a JSON number, or text such as `NaN`, `+Inf` and `Infinity`.
fn number(text: &str) -> Exact {
    let text = text.trim_matches('"');
    Exact(text.parse().unwrap_or_else(|_| panic!("not a number: {text}")))
}

fn lossy(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_of_an_answer_are_equal() {
        let ours = br#"{"data":{"vector":[{"labels":[{"name":"b","value":"2"},{"name":"a","value":"1"}],
            "sample":{"timestamp":1500,"value":"-Infinity"}}]},"warnings":[],"infos":[]}"#;
        let theirs = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"a":"1","b":"2"},"value":[1.5,"-Inf"]}]}}"#;
        assert_eq!(of_jackfield(ours), of_prometheus(theirs));
    }

    #[test]
    fn a_difference_in_the_last_bit_is_a_difference() {
        assert_ne!(number("0.1"), number("0.10000000000000002"));
        assert_eq!(number("NaN"), Exact(-f64::NAN));
    }
}
