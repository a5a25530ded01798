//! The metrics as OpenMetrics text. Everything but the call counters is read from what it describes at the moment of the
//! scrape, so nothing is counted twice and what is gone is gone from the text too.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use jackfield_engine::PoolStats;
use jackfield_gateway::GatewayStats;
use jackfield_sinks::SinkStatus;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::{integrations::Integration, shared::Shared, view::View};

/// All metrics of a host.
pub(crate) fn text(shared: &Arc<Shared>) -> String {
    let mut registry = Registry::with_prefix("jackfield");
    registry.register_collector(Box::new(Scrape(shared.clone())));
    let mut out = String::with_capacity(4096);
    if let Err(error) = text::encode(&mut out, &registry) {
        tracing::error!(%error, "the metrics could not be written");
    }
    out
}

struct Scrape(Arc<Shared>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

/// A metric whose series are written one by one.
type Series<'a> = &'a mut dyn FnMut(&mut MetricEncoder<'_>) -> fmt::Result;

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    series: Series<'_>,
) -> fmt::Result {
    series(&mut encoder.encode_descriptor(name, help, None, kind)?)
}

fn counter(encoder: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_family(labels)?)
}

fn gauge(encoder: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder.encode_family(labels)?)
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let view = self.0.view.load_full();
        host(&mut encoder, &self.0, &view)?;
        audit(&mut encoder, &self.0)?;
        calls(&mut encoder, &view)?;
        guests(&mut encoder, &view)?;
        outbound(&mut encoder, &view)
    }
}

fn host(encoder: &mut DescriptorEncoder<'_>, shared: &Shared, view: &View) -> fmt::Result {
    family(encoder, "build_info", "The version that runs", MetricType::Gauge, &mut |m| {
        gauge(m, &[("version", env!("CARGO_PKG_VERSION"))], 1)
    })?;
    family(encoder, "plugins", "Installed plugins", MetricType::Gauge, &mut |m| {
        ConstGauge::new(i64::try_from(view.plugins.len()).unwrap_or(i64::MAX)).encode_in(m)
    })?;
    let store = shared.store.stats();
    family(encoder, "store_commits", "Commits made to the store", MetricType::Counter, &mut |m| {
        ConstCounter::new(store.commits).encode_in(m)
    })?;
    family(encoder, "store_commits_refused", "Commits refused: a conflict, a quota", MetricType::Counter, &mut |m| {
        ConstCounter::new(store.refused).encode_in(m)
    })?;
    family(encoder, "store_transactions", "Transactions written to the disk", MetricType::Counter, &mut |m| {
        ConstCounter::new(store.transactions).encode_in(m)
    })?;
    let engine = shared.engine.stats();
    family(
        encoder,
        "components_loaded",
        "Components made ready, by where the code came from",
        MetricType::Counter,
        &mut |m| {
            counter(m, &[("from", "compiler")], engine.compiled)?;
            counter(m, &[("from", "cache")], engine.from_cache)
        },
    )?;
    family(encoder, "tasks_alive", "Tasks that have not ended, by runtime", MetricType::Gauge, &mut |m| {
        gauge(m, &[("runtime", "main")], shared.runtime.metrics().num_alive_tasks() as u64)?;
        gauge(m, &[("runtime", "long")], engine.in_background)
    })?;
    family(encoder, "integration_health", "1 for the state each integration is in", MetricType::Gauge, &mut |m| {
        each(view, |integration| gauge(m, &[("integration", &*integration.name), ("state", integration.state())], 1))
    })
}

/// The sinks of the audit trail, by name.
fn audit(encoder: &mut DescriptorEncoder<'_>, shared: &Shared) -> fmt::Result {
    type Read = fn(&SinkStatus) -> u64;
    let sinks = shared.sinks();
    let numbers: [(&str, &str, MetricType, Read); 3] = [
        ("audit_sink_sent", "Number of the last record that each sink was sent", MetricType::Gauge, |sink| sink.sent),
        ("audit_sink_behind", "Records that each sink was not sent yet", MetricType::Gauge, |sink| {
            sink.head.saturating_sub(sink.sent)
        }),
        ("audit_sink_lost", "Records that each sink will never be sent", MetricType::Counter, |sink| sink.lost),
    ];
    for (name, help, kind, value) in numbers {
        family(encoder, name, help, kind, &mut |m| {
            sinks.iter().try_for_each(|sink| match kind {
                MetricType::Counter => counter(m, &[("sink", sink.name.as_str())], value(sink)),
                _ => gauge(m, &[("sink", sink.name.as_str())], value(sink)),
            })
        })?;
    }
    family(encoder, "audit_sink_state", "1 for the state each sink is in", MetricType::Gauge, &mut |m| {
        sinks.iter().try_for_each(|sink| {
            gauge(m, &[("sink", sink.name.as_str()), ("kind", &sink.kind), ("state", sink.state.as_str())], 1)
        })
    })
}

fn calls(encoder: &mut DescriptorEncoder<'_>, view: &View) -> fmt::Result {
    family(encoder, "calls", "Calls by how they ended", MetricType::Counter, &mut |m| {
        each(view, |integration| {
            for ((capability, operation), metrics) in integration.live.calls.all() {
                for (outcome, count) in metrics.counts().filter(|(_, count)| *count > 0) {
                    let labels = [
                        ("integration", &*integration.name),
                        ("capability", &capability),
                        ("operation", &operation),
                        ("outcome", outcome),
                    ];
                    counter(m, &labels, count)?;
                }
            }
            Ok(())
        })
    })?;
    family(encoder, "call_duration_seconds", "How long calls took", MetricType::Histogram, &mut |m| {
        each(view, |integration| {
            for ((capability, operation), metrics) in integration.live.calls.all() {
                if metrics.counts().all(|(_, count)| count == 0) {
                    continue;
                }
                let labels =
                    [("integration", &*integration.name), ("capability", &capability), ("operation", &operation)];
                let (sum, count, buckets) = metrics.latency.read();
                m.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)?;
            }
            Ok(())
        })
    })
}

/// Name, help and value of a counter of pools.
type PoolCounter = (&'static str, &'static str, fn(&PoolStats) -> u64);

fn guests(encoder: &mut DescriptorEncoder<'_>, view: &View) -> fmt::Result {
    family(encoder, "guest_traps", "Crashes and exceeded limits of guests", MetricType::Counter, &mut |m| {
        each(view, |integration| {
            let traps = integration.live.traps.load(Ordering::Relaxed);
            counter(m, &[("integration", &*integration.name)], traps)
        })
    })?;
    let help = "Secrets on their way to a plugin or a log, which were redacted";
    family(encoder, "secrets_redacted", help, MetricType::Counter, &mut |m| {
        each(view, |integration| counter(m, &[("integration", &*integration.name)], integration.live.leaks.count()))
    })?;
    family(encoder, "limit_hits", "Limits that guests ran into, by limit", MetricType::Counter, &mut |m| {
        each(view, |integration| {
            for (limit, hits) in integration.live.bounds.counts() {
                counter(m, &[("integration", &*integration.name), ("limit", limit)], hits)?;
            }
            Ok(())
        })
    })?;
    family(encoder, "breaker_open", "1 for each operation that is not run for a while", MetricType::Gauge, &mut |m| {
        each(view, |integration| {
            let capabilities = integration.runtime.iter().flat_map(|runtime| &runtime.capabilities);
            let mut open = capabilities.flat_map(|c| c.operations.iter().map(move |o| (&c.short, o)));
            open.by_ref().filter(|(_, o)| o.breaker.is_open()).try_for_each(|(capability, served)| {
                let labels = [
                    ("integration", &*integration.name),
                    ("capability", &**capability),
                    ("operation", &*served.operation().name),
                ];
                gauge(m, &labels, 1)
            })
        })
    })?;
    let pools: [PoolCounter; 3] = [
        ("pool_created", "Instances made", |stats| stats.created),
        ("pool_discarded", "Instances dropped because their call failed", |stats| stats.discarded),
        ("pool_waited", "Calls that had to wait for a place", |stats| stats.waited),
    ];
    for (name, help, value) in pools {
        family(encoder, name, help, MetricType::Counter, &mut |m| {
            pool(view, |integration, kind, stats| {
                counter(m, &[("integration", integration), ("pool", kind)], value(&stats))
            })
        })?;
    }
    family(encoder, "pool_instances", "Instances by what they do", MetricType::Gauge, &mut |m| {
        pool(view, |integration, kind, stats| {
            for (state, count) in [("idle", stats.idle), ("busy", stats.busy)] {
                gauge(m, &[("integration", integration), ("pool", kind), ("state", state)], count)?;
            }
            Ok(())
        })
    })?;
    family(encoder, "guest_memory_bytes", "Linear memory of guests", MetricType::Gauge, &mut |m| {
        pool(view, |integration, kind, stats| {
            gauge(m, &[("integration", integration), ("pool", kind)], stats.memory_bytes)
        })
    })
}

fn outbound(encoder: &mut DescriptorEncoder<'_>, view: &View) -> fmt::Result {
    type Read = fn(&GatewayStats) -> u64;
    let families: [(&str, &str, Read); 4] = [
        ("outbound_requests", "Requests sent to outside systems", |stats| stats.requests),
        ("outbound_refused", "Requests of guests that were not granted", |stats| stats.refused),
        ("outbound_sent_bytes", "Bytes of request bodies sent", |stats| stats.sent_bytes),
        ("outbound_received_bytes", "Bytes of response bodies received", |stats| stats.received_bytes),
    ];
    for (name, help, value) in families {
        family(encoder, name, help, MetricType::Counter, &mut |m| {
            each(view, |integration| match &integration.runtime {
                Ok(runtime) => counter(m, &[("integration", &*integration.name)], value(&runtime.gateway.stats())),
                Err(_) => Ok(()),
            })
        })?;
    }
    Ok(())
}

fn each(view: &View, mut write: impl FnMut(&Integration) -> fmt::Result) -> fmt::Result {
    view.integrations.values().try_for_each(|integration| write(integration))
}

fn pool(view: &View, mut write: impl FnMut(&str, &str, PoolStats) -> fmt::Result) -> fmt::Result {
    each(view, |integration| {
        let Ok(runtime) = &integration.runtime else { return Ok(()) };
        write(&integration.name, "calls", runtime.calls.stats())?;
        write(&integration.name, "feeds", runtime.feeds.stats())
    })
}

/// A metric without labels.
trait EncodeIn {
    fn encode_in(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result;
}

impl<M: EncodeMetric> EncodeIn for M {
    fn encode_in(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let none: [(&str, &str); 0] = [];
        self.encode(encoder.encode_family(&none)?)
    }
}
