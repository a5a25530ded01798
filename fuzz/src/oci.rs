//! What names a plugin in a registry, and the manifest that is found under the name. A reference that is accepted reads
//! back as itself and fits into a URL as it is; a refused one is never repeated. A manifest that is understood is written
//! out as the same manifest. An input is a manifest if it begins with `{`, otherwise a reference.

use jackfield_oci::{Manifest, Reference, Repository};
use jackfield_registry::Digest;
use url::Url;

/// Checks a reference or a manifest.
pub fn check(input: &[u8]) {
    match input.first() {
        Some(b'{') => manifest(input),
        _ => crate::text(input).into_iter().for_each(reference),
    }
}

fn reference(text: &str) {
    if let Ok(repository) = text.parse::<Repository>() {
        assert_eq!(repository.to_string().parse(), Ok(repository));
    }
    let reference: Reference = match text.parse() {
        Ok(reference) => reference,
        Err(error) => return assert!(error.to_string().len() < 300, "an error as long as a text of the operator's"),
    };
    let written = reference.to_string();
    assert_eq!(written.parse(), Ok(reference.clone()), "{written}");
    assert!(reference.tag().is_some() || reference.digest().is_some(), "{written} names no version");

    let repository = reference.repository();
    let path = format!("/v2/{}/manifests/{}", repository.path(), reference.tag().unwrap_or_default());
    let url = Url::parse(&format!("https://{}{path}", repository.registry())).expect("it fits into a URL");
    assert_eq!(url.path(), path, "the URL standard sees another path");
    assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none());
}

fn manifest(input: &[u8]) {
    let media_type = jackfield_oci::IMAGE_MANIFEST.to_owned();
    let manifest = Manifest { digest: Digest::of(input), media_type, bytes: input.to_vec() };
    match manifest.image() {
        Ok(image) => {
            let written = image.to_bytes();
            let again =
                Manifest { bytes: written.clone(), ..manifest }.image().expect("what is written out can be read");
            assert_eq!(again, image);
            assert_eq!(again.to_bytes(), written);
        }
        Err(found) => assert!(found.len() < 2500, "an error as long as a stranger's text"),
    }
}
