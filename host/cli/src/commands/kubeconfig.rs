//! A kubeconfig on its way to the host: it is this machine's, and so are the files that it names. What they hold is put in, and of
//! its contexts only the chosen one is sent.

use std::path::Path;

use jackfield_core::{Secret, kubeconfig};

use crate::{failure::Failure, secret};

/// Where a kubeconfig was read: its files are named from there.
pub(super) enum Place<'p> {
    File(&'p Path),
    Input,
}

/// What is sent of a kubeconfig.
pub(super) fn minify(config: &Secret, context: Option<&Secret>, place: &Place<'_>) -> Result<Secret, Failure> {
    let text = |secret: &Secret, field: &str| match secret.expose_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::Usage(format!("the field `{field}` is not UTF-8"))),
    };
    let context = context.map(|context| text(context, "context")).transpose()?;
    let config = config.expose_str().ok_or_else(|| Failure::Usage("the field `config` is not UTF-8".into()))?;
    let folder = match place {
        Place::File(path) => path.parent().unwrap_or(Path::new("")),
        Place::Input => Path::new(""),
    };
    let mut read = |file: &str| secret::in_named_file(&folder.join(file));
    kubeconfig::minify(config, context.as_deref(), &mut read)
        .map_err(|error| Failure::Usage(format!("the field `config`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_where_the_kubeconfig_is_and_other_contexts_stay_here() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), "a CA").unwrap();
        let config = "current-context: b\ncontexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, \
                      user: v}}]\nclusters: [{name: c, cluster: {server: 'https://c.example', certificate-authority: ca.pem}}]\n\
                      users: [{name: u, user: {token: of-u}}, {name: v, user: {token: of-v}}]\n";
        let place = folder.path().join("config");
        let small = minify(&Secret::from(config.as_bytes()), None, &Place::File(&place)).unwrap();
        let small = small.expose_str().unwrap();
        assert!(small.contains("YSBDQQ==") && small.contains("of-v") && !small.contains("of-u"), "{small}");
        let chosen = Secret::from("a".to_owned());
        let other = minify(&Secret::from(config.as_bytes()), Some(&chosen), &Place::File(&place)).unwrap();
        assert!(other.expose_str().unwrap().contains("of-u"));
        let lost = minify(&Secret::from(config.as_bytes()), None, &Place::Input).unwrap_err();
        let Failure::Usage(lost) = lost else { panic!("{lost:?}") };
        assert!(lost.contains("certificate-authority") && lost.contains("ca.pem"), "{lost}");
    }
}
