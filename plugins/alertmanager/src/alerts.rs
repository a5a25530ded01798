//! What is alerting. Alertmanager itself finds the alerts that matchers and a receiver choose; it lists neither alerts
//! that are still pending, which it is not told of, nor those that are over.

use jackfield_sdk::matchers::parse_all;
use jackfield_sdk::paging::paginate;
use jackfield_sdk::prelude::*;

use crate::api::Api;
use crate::wire::{AlertItem, Time};
use crate::wit::Alerts;
use crate::wit::alerts::{Alert, AlertFilter, AlertPage, AlertState};

/// Items on a page where the caller does not say.
pub(crate) const PAGE: usize = 1000;

impl Alerts for crate::Alertmanager {
    fn list_alerts(filter: Option<AlertFilter>, page: Page) -> Result<AlertPage> {
        let AlertFilter { matchers, state, receiver } =
            filter.unwrap_or(AlertFilter { matchers: Vec::new(), state: None, receiver: None });
        let matchers = parse_all(&matchers, "/filter/matchers")?;
        if receiver.as_deref() == Some("") {
            return Err(Error::invalid("/filter/receiver", "the name of a receiver is not empty"));
        }
        if matches!(state, Some(AlertState::Pending | AlertState::Resolved)) {
            return Ok(AlertPage { items: Vec::new(), next: None });
        }
        let api = Api::open()?;
        // One matcher that Alertmanager does not like can be pointed at; of several it does not say which.
        let field = if matchers.len() == 1 { "/filter/matchers/0" } else { "/filter/matchers" };
        let request = api
            .reading("/api/v2/alerts")
            .query_all("filter", &matchers)
            .query_opt("receiver", receiver.as_deref().map(literally));
        let mut found: Vec<AlertItem> = api.fetch(request, field)?.json()?;
        found.sort_by(|one, other| one.fingerprint.cmp(&other.fingerprint));
        let alerts = found.into_iter().map(alert).filter(|alert| state.is_none_or(|wanted| alert.state == wanted));
        let (items, next) = paginate(alerts.collect(), &page, PAGE)?;
        Ok(AlertPage { items, next })
    }
}

/// A regular expression that matches this text and no other: the parameter is one.
fn literally(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn alert(item: AlertItem) -> Alert {
    Alert {
        id: item.fingerprint,
        labels: item.labels,
        annotations: item.annotations,
        // `active`, or `unprocessed` for a moment after it arrived.
        state: if item.status.state == "suppressed" { AlertState::Suppressed } else { AlertState::Firing },
        starts_at: item.starts_at.0,
        ends_at: item.ends_at.and_then(Time::known),
        generator_url: item.generator_url,
        silenced_by: item.status.silenced_by,
        inhibited_by: item.status.inhibited_by,
        receivers: item.receivers.into_iter().map(|receiver| receiver.name).collect(),
        value: None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_receivers_name_is_matched_as_it_is() {
        assert_eq!(super::literally("team-a/page.r (x)"), r"team-a/page\.r \(x\)");
    }
}
