use super::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn parse(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_reference_is_written_out_in_one_form() {
    for (text, canonical) in [
        ("ghcr.io/acme/etcd:1.2.0", "oci://ghcr.io/acme/etcd:1.2.0"),
        ("OCI://GHCR.io:443/acme/etcd:V1", "oci://ghcr.io/acme/etcd:V1"),
        ("index.docker.io/acme/etcd:1", "oci://docker.io/acme/etcd:1"),
        ("localhost:443/a:b", "oci://localhost:443/a:b"),
        ("localhost/a:b", "oci://localhost/a:b"),
        ("localhost:80/a:b", "oci://localhost:80/a:b"),
        ("oci://registry/a__b/c---d/e.f:_x", "oci://registry/a__b/c---d/e.f:_x"),
        ("[::1]:5000/a:b", "oci://[::1]:5000/a:b"),
        (&format!("127.0.0.1:5000/a@{DIGEST}"), &format!("oci://127.0.0.1:5000/a@{DIGEST}")),
        (&format!("docker.io/library/a:1@{DIGEST}"), &format!("oci://docker.io/library/a:1@{DIGEST}")),
    ] {
        assert_eq!(parse(text).to_string(), canonical, "{text}");
        assert_eq!(parse(canonical), parse(text));
    }
}

#[test]
fn what_is_no_reference_is_refused_with_its_reason() {
    use ReferenceError::*;
    let long = format!("a.b/{}:1", "a".repeat(256));
    let long_tag = format!("a.b/c:{}", "t".repeat(129));
    for (text, expected) in [
        ("", NoRegistry),
        ("etcd:1", NoRegistry),
        ("acme/etcd:1", NoRegistry),
        ("oci:///etcd:1", NoRegistry),
        ("https://a.b/c:1", Scheme),
        ("a.b/c", NoVersion),
        ("a.b/c:", Tag),
        ("a.b/c:-x", Tag),
        ("a.b/c:.x", Tag),
        ("a.b/c:a:b", Tag),
        ("a.b/c:a/b", Tag),
        (&long_tag, Tag),
        ("a.b/:1", Repository),
        ("a.b/C:1", Repository),
        ("a.b/c//d:1", Repository),
        ("a.b/c/:1", Repository),
        ("a.b/../c:1", Repository),
        ("a.b/c..d:1", Repository),
        ("a.b/c___d:1", Repository),
        ("a.b/c-:1", Repository),
        ("a.b/c?d:1", Repository),
        ("a.b/c%2e:1", Repository),
        (&long, Repository),
        ("a.b/c:1@sha256:ab", Digest(DigestError)),
        ("a.b/c@@x", Digest(DigestError)),
    ] {
        assert_eq!(text.parse::<Reference>(), Err(expected), "{text:?}");
    }
    for text in ["user:hunter2@a.b/c:1", "a.b:0/c:1", "a.b\\/c:1", "a..b/c:1", "a.b?/c:1"] {
        assert!(matches!(text.parse::<Reference>(), Err(Registry(_))), "{text:?}");
    }
}

#[test]
fn an_error_never_repeats_what_was_written() {
    for text in ["user:hunter2@a.b/c:1", "hunter2", "a.b/c@hunter2", "a.b/c:hunter2/", "hunter2://a.b/c:1"] {
        assert!(!text.parse::<Reference>().unwrap_err().to_string().contains("hunter2"), "{text}");
    }
}

#[test]
fn a_repository_has_neither_tag_nor_digest() {
    let repository: Repository = "a.b/c/d".parse().unwrap();
    assert_eq!((repository.registry(), repository.path()), ("a.b", "c/d"));
    assert_eq!("a.b/c:1".parse::<Repository>(), Err(ReferenceError::Version));
    assert_eq!(repository.with_tag("1").unwrap().to_string(), "oci://a.b/c/d:1");
    assert_eq!(repository.with_tag("a/b"), Err(ReferenceError::Tag));
}

#[test]
fn the_digest_counts_when_asking_and_the_tag_when_pushing() {
    let both = parse(&format!("a.b/c:1@{DIGEST}"));
    assert_eq!((both.asked_by().as_str(), both.pushed_as().as_str()), (DIGEST, "1"));
    assert_eq!(parse("a.b/c:1").pinned(DIGEST.parse().unwrap()), both);
}

#[test]
fn docker_hub_is_asked_where_it_is() {
    let address = parse("docker.io/library/a:1").repository().address(false).unwrap();
    assert_eq!(address.to_string(), "https://registry-1.docker.io");
}

proptest::proptest! {
    #[test]
    fn whatever_is_accepted_reads_back_as_itself(text in "(oci://)?[a-zA-Z0-9.:\\[\\]-]{1,12}/[a-z0-9._/-]{1,12}(:[A-Za-z0-9._-]{0,6})?") {
        if let Ok(reference) = text.parse::<Reference>() {
            assert_eq!(parse(&reference.to_string()), reference);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Reference>();
        let _ = text.parse::<Repository>();
    }
}
