//! What an integration may send: what its plugin's manifest asks for, within what its operator allows, and what of that it
//! has used.

use jackfield_gateway::{Allowance, GatewayError, Use};
use serde::{Deserialize, Serialize};

use crate::{EndpointSettings, Error, Result, Spent, integrations::Integration, shared::Shared, spending::Budget};

/// What an operator allows of what the manifest asks for at an endpoint: all of it where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GrantSettings {
    /// The methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// The paths, as patterns like those of manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// Only what changes nothing: `GET`, `HEAD`, `OPTIONS`, and the `POST`s of which the manifest says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Nothing is refused for what is said here; it is counted what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub count_only: bool,
}

/// What an integration may send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrantInfo {
    /// The integration.
    pub integration: String,
    /// The digest of the plugin that asks for it.
    pub plugin_digest: String,
    /// The revision of the integration, which is that of its grants.
    pub revision: u64,
    /// Each endpoint of the manifest.
    pub endpoints: Vec<EndpointGrant>,
    /// Refused requests that are in no list, since there were too many different ones.
    pub more_refused: u64,
}

/// What an integration may send to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EndpointGrant {
    /// The endpoint's name.
    pub name: String,
    /// What it is, says the plugin.
    pub description: String,
    /// What the manifest asks for.
    pub asked: Asked,
    /// What the operator allows of that.
    pub allowed: GrantSettings,
    /// What was sent since the host was started: by method and the manifest's pattern.
    pub used: Vec<GrantUse>,
    /// What was refused, or would have been: by method and path.
    pub refused: Vec<GrantUse>,
    /// What was spent of what its requests may cost today; absent where nothing is said of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// The least that would have granted all that was sent; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<GrantSettings>,
}

/// What a manifest asks for at an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked {
    /// Methods.
    pub methods: Vec<String>,
    /// Path patterns.
    pub paths: Vec<String>,
    /// Those at which a `POST` changes nothing.
    pub safe_posts: Vec<String>,
}

/// Requests that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrantUse {
    /// The method.
    pub method: String,
    /// The pattern, or the path.
    pub path: String,
    /// How many.
    pub count: u64,
}

/// A request that is not sent: would it be?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GrantQuestion {
    /// The endpoint's name; the only one where there is one.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The method.
    pub method: String,
    /// The path, perhaps with a query.
    pub path: String,
}

/// Which rule decides about a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrantAnswer {
    /// The endpoint's name.
    pub endpoint: String,
    /// Whether it would be sent.
    pub granted: bool,
    /// The manifest's pattern that grants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Why not, or why not were it not only counted; and what would allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the gateway is told of an operator's settings.
pub(crate) fn allowance(settings: &EndpointSettings) -> Allowance {
    let GrantSettings { methods, paths, read_only, count_only } = settings.grant.clone().unwrap_or_default();
    Allowance { methods, paths, read_only, count_only }
}

/// Sees that what an operator allows can be what he means.
pub(crate) fn judge(grant: &GrantSettings) -> Result<()> {
    let methods = grant.methods.iter().flatten();
    let is_method = |method: &str| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    if let Some((index, method)) = methods.enumerate().find(|(_, method)| !is_method(method)) {
        let shown: String = method.chars().take(40).collect();
        let message = format!("`{shown}` is no method; they are in capitals, e.g. `GET`");
        return Err(Error::invalid(message).at(format!("/grant/methods/{index}")));
    }
    for (index, path) in grant.paths.iter().flatten().enumerate() {
        if !path.starts_with('/') || path.len() > 500 || path.chars().any(char::is_control) {
            let message = "a path pattern begins with `/`, e.g. `/api/v1/*`";
            return Err(Error::invalid(message).at(format!("/grant/paths/{index}")));
        }
        if path.split('/').any(|segment| segment.contains('*') && segment != "*") {
            let message = "a `*` in a path pattern stands for a whole segment, e.g. `/api/v1/*`";
            return Err(Error::invalid(message).at(format!("/grant/paths/{index}")));
        }
    }
    Ok(())
}

/// What an integration may send.
pub(crate) fn show(shared: &Shared, name: &str) -> Result<GrantInfo> {
    let view = shared.view.load();
    let integration = view.integration(name)?;
    let plugin = view.plugin_of(&integration.record)?;
    let uses = &integration.live.uses;
    let budgets = integration.runtime.as_ref().ok().map(|runtime| &runtime.budgets);
    let counted = |counted: Vec<(Use, u64)>| -> Vec<GrantUse> {
        let one = |(Use { method, path, .. }, count)| GrantUse { method, path, count };
        counted.into_iter().map(one).collect()
    };
    let endpoint = |rule: &jackfield_registry::EndpointRule| {
        let settings = integration.record.endpoints.get(&rule.name);
        let used = counted(uses.of_granted(&rule.name));
        EndpointGrant {
            name: rule.name.clone(),
            description: rule.description.clone(),
            asked: Asked {
                methods: rule.methods.clone(),
                paths: rule.paths.clone(),
                safe_posts: rule.safe_posts.clone(),
            },
            allowed: settings.and_then(|settings| settings.grant.clone()).unwrap_or_default(),
            refused: counted(uses.of_refused(&rule.name)),
            spent: budgets.and_then(|budgets| budgets.get(&rule.name)).map(Budget::spent),
            least: least(&used),
            used,
        }
    };
    Ok(GrantInfo {
        integration: integration.name.to_string(),
        plugin_digest: integration.record.plugin_digest.to_string(),
        revision: integration.revision,
        endpoints: plugin.record.manifest.endpoints.iter().map(endpoint).collect(),
        more_refused: uses.more_refused(),
    })
}

fn least(used: &[GrantUse]) -> Option<GrantSettings> {
    let distinct = |of: fn(&GrantUse) -> &String| {
        let mut all: Vec<String> = used.iter().map(of).cloned().collect();
        all.sort();
        all.dedup();
        Some(all)
    };
    let settings = || GrantSettings {
        methods: distinct(|used| &used.method),
        paths: distinct(|used| &used.path),
        ..GrantSettings::default()
    };
    (!used.is_empty()).then(settings)
}

/// Which rule decides about a request of an integration.
pub(crate) fn explain(integration: &Integration, question: &GrantQuestion) -> Result<GrantAnswer> {
    let gateway = &integration.running()?.gateway;
    let names = gateway.endpoints();
    let endpoint = match (&question.endpoint, &names[..]) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, [only]) => (*only).to_owned(),
        (None, names) => {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(Error::invalid(format!("say which endpoint is meant: {names}")).at("/endpoint"));
        }
    };
    match gateway.explain(&endpoint, &question.method, &question.path) {
        Ok((pattern, counted)) => Ok(GrantAnswer {
            endpoint,
            granted: true,
            pattern: Some(pattern),
            reason: counted.map(|error| format!("only counted: {error}")),
        }),
        Err(error @ GatewayError::UnknownEndpoint { .. }) => Err(Error::invalid(error.to_string()).at("/endpoint")),
        Err(error @ GatewayError::Method) => Err(Error::invalid(error.to_string()).at("/method")),
        Err(error @ GatewayError::Path(_)) => Err(Error::invalid(error.to_string()).at("/path")),
        Err(error) => Ok(GrantAnswer { endpoint, granted: false, pattern: None, reason: Some(error.to_string()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_could_never_hold_is_refused_with_its_place() {
        let place = |methods: &[&str], paths: &[&str]| {
            let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
            let grant = GrantSettings { methods: texts(methods), paths: texts(paths), ..GrantSettings::default() };
            judge(&grant).err().and_then(|error| error.field)
        };
        assert_eq!(place(&["GET", "POST"], &["/a/*/b", "/*", "/"]), None);
        assert_eq!(place(&["GET", "post"], &[]).as_deref(), Some("/grant/methods/1"));
        for path in ["a", "", "/a*", "/a/*b/c", "/a\n"] {
            assert_eq!(place(&[], &["/", path]).as_deref(), Some("/grant/paths/1"), "{path:?}");
        }
    }
}
