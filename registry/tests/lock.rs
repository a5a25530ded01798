//! Lock files: what is written is read again, the same lock is the same bytes, and no change of a lock file goes unseen.

use jackfield_registry::{Digest, Lock, LockedPlugin, LockedSigner, MAX_LOCK_BYTES};
use proptest::{collection::vec, option, prelude::*};

fn etcd() -> LockedPlugin {
    LockedPlugin {
        name: "etcd".into(),
        version: "1.2.0".parse().unwrap(),
        digest: Digest::of(b"etcd"),
        from: Some(format!("oci://ghcr.io/acme/etcd:1.2.0@{}", Digest::of(b"manifest"))),
        signer: Some(LockedSigner::Identity { issuer: "https://issuer.example".into(), subject: "acme".into() }),
        rights: vec!["send to `api` (the address in `url`): GET, POST /v3/*".into()],
        accept: Some("4f1c09d2a7b35e8860c1d4e2f3a59b07".into()),
    }
}

fn echo() -> LockedPlugin {
    LockedPlugin {
        name: "echo".into(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(b"echo"),
        from: Some("plugins/echo.wasm".into()),
        signer: Some(LockedSigner::Key { fingerprint: Digest::of(b"key") }),
        rights: Vec::new(),
        accept: None,
    }
}

fn lock(plugins: &[LockedPlugin]) -> Lock {
    let mut lock = Lock::default();
    for plugin in plugins {
        lock.insert(plugin.clone());
    }
    lock
}

/// Whether whoever installs by one lock what another names is told, or may be: what is locked is missing or differs.
fn is_seen(lock: &Lock, plugins: &[LockedPlugin]) -> bool {
    let drifts = |plugin: &LockedPlugin| match lock.get(&plugin.name, &plugin.version) {
        None => true,
        Some(locked) => !locked.drift(plugin).is_empty(),
    };
    plugins.iter().any(drifts)
}

#[test]
fn a_lock_is_written_like_this() {
    let mut old = etcd();
    old.version = "1.10.0-rc.1".parse().unwrap();
    (old.from, old.signer, old.rights, old.accept) = (None, None, Vec::new(), None);
    let (etcd_digest, echo_digest, key) = (Digest::of(b"etcd"), Digest::of(b"echo"), Digest::of(b"key"));
    let from = etcd().from.unwrap();
    let expected = format!(
        r#"# Written by `jackfield plugin lock` and `jackfield plugin install --lock`; not by hand.
# `jackfield plugin install --locked` installs exactly this, and refuses whatever differs.
version = 1

[[plugin]]
name = "echo"
version = "1.0.0"
digest = "{echo_digest}"
from = "plugins/echo.wasm"
signer = {{ kind = "key", fingerprint = "{key}" }}

[[plugin]]
name = "etcd"
version = "1.2.0"
digest = "{etcd_digest}"
from = "{from}"
signer = {{ kind = "identity", issuer = "https://issuer.example", subject = "acme" }}
rights = [
  "send to `api` (the address in `url`): GET, POST /v3/*",
]
accept = "4f1c09d2a7b35e8860c1d4e2f3a59b07"

[[plugin]]
name = "etcd"
version = "1.10.0-rc.1"
digest = "{etcd_digest}"
"#
    );
    let plugins = [old, etcd(), echo()];
    assert_eq!(lock(&plugins).to_string(), expected);
    assert_eq!(expected.parse(), Ok(lock(&plugins)));
    assert_eq!("version = 1".parse(), Ok(Lock::default()));
}

#[test]
fn what_is_not_as_it_was_written_is_refused_with_its_line() {
    let text = lock(&[echo(), etcd()]).to_string();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let twice = format!("{text}\n[[plugin]]\nname = \"echo\"\nversion = \"1.0.0\"\ndigest = \"{}\"\n", Digest::of(b""));
    for (text, line, told) in [
        (changed("version = 1", "version = 2"), Some(3), "this Jackfield reads form 1"),
        (changed("version = 1", "version = 2\nmore = true"), Some(3), "this Jackfield reads form 1"),
        (changed("version = 1\n", "version = \"1\"\n"), Some(3), "reads form 1"),
        (changed("version = 1\n", "\n"), None, "`version = 1`"),
        (changed("version = 1\n", "version = 1\nmore = 1\n"), Some(4), "unknown field `more`"),
        (changed("from = \"plugins/", "form = \"plugins/"), Some(9), "unknown field `form`"),
        (changed("name = \"echo\"\n", ""), Some(5), "missing field `name`"),
        (changed("name = \"echo\"", "name = \"Echo\""), Some(5), "is not that of a plugin"),
        (changed("version = \"1.0.0\"", "version = \"1.0\""), Some(5), "is no version"),
        (changed("digest = \"sha256:", "digest = \"sha512:"), Some(8), "not a digest"),
        (changed("\"plugins/echo.wasm\"", "\"\""), Some(9), "`from` is empty"),
        (changed("plugins/echo", "plugins\\u0007/echo"), Some(9), "control characters"),
        (changed("plugins/echo", &"e".repeat(5000)), Some(9), "at most 4096"),
        (changed("kind = \"key\"", "kind = \"keys\""), Some(10), "unknown variant `keys`"),
        (changed("kind = \"key\"", "kind = \"key\", name = \"acme\""), Some(10), "unknown field `name`"),
        (changed("accept = \"4f1c", "accept = \"4F1C"), Some(21), "`accept` is not 32 digits"),
        (changed("accept =", "# accept ="), Some(12), "without `accept`"),
        (changed("[[plugin]]", "<<<<<<< HEAD\n[[plugin]]"), Some(5), ""),
        (twice, Some(23), "`echo@1.0.0` is locked twice"),
        ("a".repeat(MAX_LOCK_BYTES + 1), None, "at most"),
        (String::new(), None, "`version = 1`"),
    ] {
        let error = text.parse::<Lock>().unwrap_err();
        let short: String = text.chars().take(2000).collect();
        assert_eq!(error.line, line, "{error}\n{short}");
        assert!(error.message.contains(told), "{error}\n{short}");
        assert!(error.to_string().contains("jackfield plugin lock"), "{error}");
    }
}

#[test]
fn an_error_is_short_whatever_is_in_the_file() {
    for text in [
        format!("version = 1\n{} = 1\n", "k".repeat(100_000)),
        format!("version = [{}]\n", "1, ".repeat(100_000)),
        format!("version = 1\n[[plugin]]\nname = \"{}\"\n", "n".repeat(100_000)),
    ] {
        let error = text.parse::<Lock>().unwrap_err().to_string();
        assert!(error.len() < 1500, "{} bytes", error.len());
    }
}

#[test]
fn more_plugins_than_anybody_has_are_not_read() {
    let many: Vec<LockedPlugin> =
        (0..1001).map(|number| LockedPlugin { version: semver::Version::new(1, 0, number), ..echo() }).collect();
    assert!(lock(&many).to_string().parse::<Lock>().unwrap_err().message.contains("1001 versions"));
    assert_eq!(lock(&many[1..]).to_string().parse(), Ok(lock(&many[1..])));
}

/// Each bit of each byte, and each byte left out: it is refused, it means the same, or whoever installs by it is told.
#[test]
fn no_byte_of_a_lock_file_changes_unseen() {
    let plugins = [echo(), etcd()];
    let whole = lock(&plugins);
    let text = whole.to_string().into_bytes();
    let judge = |changed: &[u8], what: &dyn std::fmt::Display| {
        let Ok(changed) = std::str::from_utf8(changed) else { return };
        let Ok(read) = changed.parse::<Lock>() else { return };
        let elsewhere = |(one, other): (&LockedPlugin, &LockedPlugin)| {
            LockedPlugin { from: other.from.clone(), ..one.clone() } == *other
        };
        // A tag beside a digest and a file's path say where to look, and not what must be found there.
        let same = read.iter().count() == plugins.len() && read.iter().zip(whole.iter()).all(elsewhere);
        assert!(same || is_seen(&read, &plugins), "{what} changes unseen:\n{changed}");
    };
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            judge(&changed, &format_args!("bit {bit} of byte {at}"));
        }
        let mut shorter = text.clone();
        shorter.remove(at);
        judge(&shorter, &format_args!("leaving out byte {at}"));
        judge(&text[..at], &format_args!("cutting off at byte {at}"));
    }
}

fn plugin() -> impl Strategy<Value = LockedPlugin> {
    let line = || "[^\\p{Cc}]{1,40}";
    let digest = || any::<[u8; 4]>().prop_map(|bytes| Digest::of(&bytes));
    let signer = prop_oneof![
        digest().prop_map(|fingerprint| LockedSigner::Key { fingerprint }),
        (line(), line()).prop_map(|(issuer, subject)| LockedSigner::Identity { issuer, subject }),
    ];
    let version = (0u64..3, 0u64..3, option::of("[a-z][a-z0-9]{0,4}"), option::of("[a-z0-9]{1,4}"));
    let version = version.prop_map(|(major, minor, pre, build)| {
        let pre = pre.map(|pre| format!("-{pre}")).unwrap_or_default();
        let build = build.map(|build| format!("+{build}")).unwrap_or_default();
        format!("{major}.{minor}.0{pre}{build}").parse().unwrap()
    });
    let rights = (vec(line(), 0..4), "[0-9a-f]{32}");
    ("[a-z][a-z0-9-]{0,9}", version, digest(), option::of(line()), option::of(signer), rights).prop_map(
        |(name, version, digest, from, signer, (rights, accept))| LockedPlugin {
            accept: (!rights.is_empty()).then_some(accept),
            name,
            version,
            digest,
            from,
            signer,
            rights,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_whatever_is_in_it(plugins in vec(plugin(), 0..6)) {
        let whole = lock(&plugins);
        let text = whole.to_string();
        prop_assert_eq!(text.parse::<Lock>(), Ok(whole));
    }

    #[test]
    fn the_same_plugins_are_the_same_bytes_in_whatever_order(plugins in vec(plugin(), 0..6)) {
        let whole = lock(&plugins);
        let mut turned: Vec<LockedPlugin> = whole.iter().cloned().collect();
        turned.reverse();
        prop_assert_eq!(lock(&turned).to_string(), whole.to_string());
    }

    #[test]
    fn a_plugin_is_what_it_is_and_another_is_told(one in plugin(), other in plugin()) {
        prop_assert_eq!(one.drift(&one), []);
        let alike = one.digest == other.digest && one.version == other.version && one.name == other.name;
        prop_assert!(alike || !one.drift(&other).is_empty());
    }

    #[test]
    fn no_text_at_all_makes_it_panic(text in "(version = 1\n)?(\\[\\[plugin\\]\\]\n)?[\\PC\n]{0,80}") {
        let _ = text.parse::<Lock>();
    }
}
