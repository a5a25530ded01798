//! A query's answer. Which form the result has is told by a member beside it, which need not come first; so the result is
//! read by what it looks like, and only then held against what it is said to be.

use std::fmt;

use jackfield_sdk::types::Label;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use super::{LabelSet, Number, or_empty};
use crate::time::ms;
use crate::wit::metrics::{
    Bucket, BucketBounds, HistogramSample, InstantSeries, QueryData, Sample, SeriesSamples, TextSample,
};

/// The data of a query's answer.
#[derive(serde::Deserialize)]
pub(crate) struct QueryAnswer {
    #[serde(rename = "resultType")]
    kind: String,
    result: Items,
}

impl QueryAnswer {
    /// The data in the form it is said to have; `Err` says what it is said to be where it is something else.
    pub(crate) fn into_data(self) -> Result<QueryData, String> {
        match (self.kind.as_str(), self.result) {
            ("vector", Items::Series(series)) => {
                Ok(QueryData::Vector(series.into_iter().map(Series::instant).collect()))
            }
            ("matrix", Items::Series(series)) => {
                Ok(QueryData::Matrix(series.into_iter().map(Series::samples).collect()))
            }
            ("scalar", Items::Pair(time, text)) => match text.parse() {
                Ok(value) => Ok(QueryData::Scalar(Sample { timestamp: ms(time), value })),
                Err(_) => Err(format!("the scalar {text:?}")),
            },
            ("string", Items::Pair(time, value)) => Ok(QueryData::Text(TextSample { timestamp: ms(time), value })),
            (kind, _) => Err(format!("a result of the type {kind:?}")),
        }
    }
}

/// The two forms that a result has.
enum Items {
    Series(Vec<Series>),
    Pair(f64, String),
}

#[derive(serde::Deserialize)]
struct Series {
    #[serde(default)]
    metric: LabelSet,
    value: Option<Point>,
    histogram: Option<HistogramPoint>,
    #[serde(default, deserialize_with = "or_empty")]
    values: Vec<Point>,
    #[serde(default, deserialize_with = "or_empty")]
    histograms: Vec<HistogramPoint>,
}

impl Series {
    fn instant(self) -> InstantSeries {
        InstantSeries {
            labels: self.metric.0,
            sample: self.value.map(|point| point.0),
            histogram: self.histogram.map(|point| point.0),
        }
    }

    fn samples(self) -> SeriesSamples {
        SeriesSamples {
            labels: self.metric.0,
            // A point is its sample, so these lists are not copied.
            samples: self.values.into_iter().map(|point| point.0).collect(),
            histograms: self.histograms.into_iter().map(|point| point.0).collect(),
        }
    }
}

/// `[1700000000.123, "1.5"]`
#[repr(transparent)]
struct Point(Sample);

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, Number(value)) = Deserialize::deserialize(deserializer)?;
        Ok(Self(Sample { timestamp: ms(time), value }))
    }
}

/// `[1700000000.123, {"count": "6", "sum": "0.1", "buckets": [[0, "0.1", "0.2", "1"]]}]`
#[repr(transparent)]
struct HistogramPoint(HistogramSample);

impl<'de> Deserialize<'de> for HistogramPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Histogram {
            count: Number,
            sum: Number,
            #[serde(default, deserialize_with = "or_empty")]
            buckets: Vec<BucketItem>,
        }
        let (time, found): (f64, Histogram) = Deserialize::deserialize(deserializer)?;
        Ok(Self(HistogramSample {
            timestamp: ms(time),
            count: found.count.0,
            sum: found.sum.0,
            buckets: found.buckets.into_iter().map(|bucket| bucket.0).collect(),
        }))
    }
}

/// `[0, "0.1", "0.2", "1"]`: which borders belong to it, the borders, the count.
#[repr(transparent)]
struct BucketItem(Bucket);

impl<'de> Deserialize<'de> for BucketItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (rule, lower, upper, count): (u8, Number, Number, Number) = Deserialize::deserialize(deserializer)?;
        let bounds = match rule {
            0 => BucketBounds::OpenLeft,
            1 => BucketBounds::OpenRight,
            2 => BucketBounds::Open,
            3 => BucketBounds::Closed,
            other => {
                let known = "a rule from 0 to 3 for a bucket's borders";
                return Err(de::Error::invalid_value(de::Unexpected::Unsigned(other.into()), &known));
            }
        };
        Ok(Self(Bucket { bounds, lower: lower.0, upper: upper.0, count: count.0 }))
    }
}

/// The labels of a series, sorted by name.
impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = LabelSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSet, A::Error> {
                let mut labels = Vec::with_capacity(map.size_hint().unwrap_or(8).min(64));
                while let Some((name, value)) = map.next_entry()? {
                    labels.push(Label { name, value });
                }
                labels.sort_by(|one: &Label, other| one.name.cmp(&other.name));
                Ok(LabelSet(labels))
            }

            fn visit_unit<E: de::Error>(self) -> Result<LabelSet, E> {
                Ok(LabelSet::default())
            }
        }
        deserializer.deserialize_any(Map)
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of series, or a time and a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items, A::Error> {
                let mut series = Vec::new();
                loop {
                    match items.next_element()? {
                        None => return Ok(Items::Series(series)),
                        Some(Item::Series(one)) => series.push(*one),
                        Some(Item::Time(time)) if series.is_empty() => {
                            let text = items.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                            return Ok(Items::Pair(time, text));
                        }
                        Some(Item::Time(_)) => return Err(de::Error::custom("a number among series")),
                    }
                }
            }

            fn visit_unit<E: de::Error>(self) -> Result<Items, E> {
                Ok(Items::Series(Vec::new()))
            }
        }
        deserializer.deserialize_any(List)
    }
}

/// An item of a result.
enum Item {
    Series(Box<Series>),
    Time(f64),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a series or a time")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(|series| Item::Series(Box::new(series)))
            }

            fn visit_f64<E: de::Error>(self, time: f64) -> Result<Item, E> {
                Ok(Item::Time(time))
            }

            fn visit_u64<E: de::Error>(self, time: u64) -> Result<Item, E> {
                Ok(Item::Time(time as f64))
            }

            fn visit_i64<E: de::Error>(self, time: i64) -> Result<Item, E> {
                Ok(Item::Time(time as f64))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
