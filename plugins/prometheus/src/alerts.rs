//! The alerts that the rules raise. Prometheus tells those that are pending or firing, all at once and to anybody; who is
//! told of them, and what holds them back, only an Alertmanager knows.

use jackfield_sdk::paging::paginate;
use jackfield_sdk::prelude::*;

use crate::api::{Api, ask};
use crate::labels::{Matchers, compare, fingerprint};
use crate::metrics::PAGE;
use crate::refusal::Fields;
use crate::rules::{are_there_rules, no_rules};
use crate::time::rfc3339;
use crate::wire::{AlertItem, Alerts as Found};
use crate::wit::Alerts;
use crate::wit::alerts::{Alert, AlertFilter, AlertPage, AlertState};

impl Alerts for crate::Prometheus {
    fn list_alerts(filter: Option<AlertFilter>, page: Page) -> Result<AlertPage> {
        let AlertFilter { matchers, state, receiver } =
            filter.unwrap_or(AlertFilter { matchers: Vec::new(), state: None, receiver: None });
        if receiver.is_some() {
            return Err(Error::unsupported(
                "Prometheus does not know who is told of an alert; ask an integration with its Alertmanager",
            ));
        }
        let matchers = Matchers::parse(&matchers, "/filter/matchers")?;
        let api = Api::open()?;
        let found = ask::<Found>(api.get("/api/v1/alerts"), &Fields::NONE)?;
        // An empty list from VictoriaMetrics may only say that nothing evaluates rules there.
        if found.victoria && found.data.alerts.is_empty() && !are_there_rules(&api)? {
            return Err(no_rules());
        }
        let mut alerts: Vec<Alert> = found.into_data().alerts.into_iter().map(alert).collect();
        alerts.retain(|alert| state.is_none_or(|wanted| alert.state == wanted) && matchers.hold(&alert.labels));
        alerts.sort_by(|one, other| compare(&one.labels, &other.labels));
        let (items, next) = paginate(alerts, &page, PAGE)?;
        Ok(AlertPage { items, next })
    }
}

fn alert(item: AlertItem) -> Alert {
    let labels = item.labels.0;
    Alert {
        id: fingerprint(&labels),
        labels,
        annotations: item.annotations.0,
        state: match item.state.as_str() {
            "pending" => AlertState::Pending,
            "inactive" => AlertState::Resolved,
            _ => AlertState::Firing,
        },
        starts_at: item.active_at.as_deref().and_then(rfc3339).unwrap_or_default(),
        ends_at: None,
        generator_url: item.source,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        receivers: Vec::new(),
        value: item.value.map(|value| value.0),
    }
}
