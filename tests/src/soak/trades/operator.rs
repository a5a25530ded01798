//! The one who adds, changes and removes while the others work.

use serde_json::{Value, json};

use super::Action;
use crate::{
    base64, packed,
    soak::{
        random::Random,
        site::{PLAY, Site, WILD, limits},
    },
    unruly::told,
};

pub(super) const ACTIONS: &[Action] = &[
    ("reload", reload),
    ("reload", reload),
    ("relabel", relabel),
    ("guest-for-a-while", guest_for_a_while),
    ("state-for-a-while", state_for_a_while),
    ("plugin-for-a-while", plugin_for_a_while),
];

/// A name that nobody had before: what is kept by name and never let go of shows.
fn new_name(random: &mut Random) -> String {
    format!("new-{}", random.within(0..1 << 40))
}

/// Has an integration start anew under the calls of all the others.
fn reload(site: &Site, random: &mut Random) -> Result<(), String> {
    let name = *random.one_of(&[PLAY, WILD[0], WILD[1], WILD[2]]);
    site.reload(name)
}

/// Changes what nothing runs by.
fn relabel(site: &Site, random: &mut Random) -> Result<(), String> {
    let path = format!("/v1/integrations/{}", random.one_of(&WILD));
    site.send("PATCH", &path, &json!({"labels": {"round": random.within(0..1 << 40).to_string()}}), 200).map(drop)
}

/// Adds an integration, has it used, and removes it however that went.
fn for_a_while(site: &Site, new: &Value, using: impl FnOnce(&str) -> Result<(), String>) -> Result<(), String> {
    site.send("POST", "/v1/integrations", new, 201)?;
    let name = new["name"].as_str().unwrap_or_default();
    let used = using(name);
    let path = format!("/v1/integrations/{name}");
    site.send("DELETE", &format!("{path}?discard-unknown=true"), &Value::Null, 204)?;
    site.send("GET", &path, &Value::Null, 404)?;
    used
}

/// An unruly integration comes, crashes, fills its state, is checked and changed, and goes.
fn guest_for_a_while(site: &Site, random: &mut Random) -> Result<(), String> {
    let url = site.outside.url();
    let new = json!({"name": new_name(random), "plugin": "unruly", "config": {"url": url}, "limits": limits()});
    for_a_while(site, &new, |name| {
        site.ok(name, "unruly.count", &json!({}))?;
        for _ in 0..random.within(0..8) {
            refused(site, name, "crash", &json!({"message": "at once"}), &["internal", "breaker-open"])?;
        }
        // A hundred commits: on a busy disk they may take longer than a call.
        refused(site, name, "fill", &json!({"options": {}}), &["", "outcome-unknown", "deadline-exceeded"])?;
        site.send("POST", &format!("/v1/integrations/{name}/check"), &Value::Null, 200)?;
        let config = json!({"config": {"url": format!("{url}/else")}});
        site.send("PATCH", &format!("/v1/integrations/{name}"), &config, 200)?;
        site.ok(name, "unruly.count", &json!({})).map(drop)
    })
}

/// Calls what is answered with one of these errors; an empty one is none.
fn refused(site: &Site, name: &str, operation: &str, params: &Value, right: &[&str]) -> Result<(), String> {
    let answer = site.server().call(name, &format!("unruly.{operation}"), params);
    let (status, answer) = answer.map_err(|error| error.to_string())?;
    match right.contains(&told(&answer)) {
        true => Ok(()),
        false => Err(format!("{name}: {operation}: {status} {answer}")),
    }
}

/// A playground of its own comes and goes with all it keeps.
fn state_for_a_while(site: &Site, random: &mut Random) -> Result<(), String> {
    let new = json!({"name": new_name(random), "plugin": "playground"});
    for_a_while(site, &new, |name| {
        for key in 0..random.within(1..10) {
            site.ok(name, "key-value.put", &json!({"key": key.to_string(), "value": base64(name)}))?;
        }
        Ok(())
    })
}

/// A plugin is installed, used, cannot be removed while it is, and goes after that.
fn plugin_for_a_while(site: &Site, random: &mut Random) -> Result<(), String> {
    match site.server().install(&packed("echo")) {
        Ok((201, _)) => {}
        other => return Err(format!("the plugin was not installed: {other:?}")),
    }
    let new = json!({"name": new_name(random), "plugin": "echo", "config": {"url": site.outside.url()}});
    let used = for_a_while(site, &new, |name| {
        let echo = site.ok(name, "echo.number", &json!({"n": 7}))?;
        if echo != 7 {
            return Err(format!("7 was answered with {echo}"));
        }
        site.send("DELETE", "/v1/plugins/echo", &Value::Null, 409).map(drop)
    });
    site.send("DELETE", "/v1/plugins/echo", &Value::Null, 204)?;
    used
}
