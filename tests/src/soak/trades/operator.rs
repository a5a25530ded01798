//! The one who adds, changes and removes while the others work.

use serde_json::{Value, json};

use super::Action;
use crate::{
    base64, packed,
    soak::{
        random::Random,
        site::{PLAY, Site, WILD, limits},
    },
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

fn add(site: &Site, new: &Value) -> Result<(), String> {
    site.send("POST", "/v1/integrations", new, 201).map(drop)
}

fn remove(site: &Site, name: &str) -> Result<(), String> {
    let path = format!("/v1/integrations/{name}");
    site.send("DELETE", &path, &Value::Null, 204)?;
    site.send("GET", &path, &Value::Null, 404).map(drop)
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

/// An unruly integration comes, crashes, is checked and changed, and goes.
fn guest_for_a_while(site: &Site, random: &mut Random) -> Result<(), String> {
    let name = new_name(random);
    let url = site.outside.url();
    add(site, &json!({"name": name, "plugin": "unruly", "config": {"url": url}, "limits": limits()}))?;
    site.ok(&name, "unruly.count", &json!({}))?;
    for _ in 0..random.within(0..8) {
        let crash = site.server().call(&name, "unruly.crash", &json!({"message": "at once"}));
        let (status, answer) = crash.map_err(|error| error.to_string())?;
        if !matches!(status, 500 | 502 | 503) {
            return Err(format!("a crash was answered with {status} {answer}"));
        }
    }
    site.ok(&name, "unruly.fill", &json!({"options": {}}))?;
    site.send("POST", &format!("/v1/integrations/{name}/check"), &Value::Null, 200)?;
    site.send("PATCH", &format!("/v1/integrations/{name}"), &json!({"config": {"url": format!("{url}/else")}}), 200)?;
    site.ok(&name, "unruly.count", &json!({}))?;
    remove(site, &name)
}

/// A playground of its own comes and goes with all it keeps.
fn state_for_a_while(site: &Site, random: &mut Random) -> Result<(), String> {
    let name = new_name(random);
    add(site, &json!({"name": name, "plugin": "playground"}))?;
    for key in 0..random.within(1..10) {
        site.ok(&name, "key-value.put", &json!({"key": key.to_string(), "value": base64(&name)}))?;
    }
    remove(site, &name)
}

/// A plugin is installed, used, cannot be removed while it is, and goes after that.
fn plugin_for_a_while(site: &Site, random: &mut Random) -> Result<(), String> {
    let name = new_name(random);
    match site.server().install(&packed("echo")) {
        Ok((201, _)) => {}
        other => return Err(format!("the plugin was not installed: {other:?}")),
    }
    add(site, &json!({"name": name, "plugin": "echo", "config": {"url": site.outside.url()}}))?;
    let echo = site.ok(&name, "echo.number", &json!({"n": 7}))?;
    if echo != 7 {
        return Err(format!("7 was answered with {echo}"));
    }
    site.send("DELETE", "/v1/plugins/echo", &Value::Null, 409)?;
    remove(site, &name)?;
    site.send("DELETE", "/v1/plugins/echo", &Value::Null, 204).map(drop)
}
