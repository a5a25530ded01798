//! Vaults that are sealed with keys that are elsewhere: in AWS's key management service, and in this machine's kernel.

use jackfield_peers::peer;
use jackfield_tests::{
    Stand,
    moto::{AccessKey, Moto},
};
use serde_json::{Value, json};

const USE_KEYS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*"}]}"#;
const READ_BUCKETS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

fn state(stand: &Stand) -> Value {
    stand.server().get("/v1/vault").unwrap()["state"].clone()
}

fn keep_something(stand: &Stand) {
    let credential = json!({"type": "bearer", "fields": {"token": "t0ken-in-the-vault"}});
    assert_eq!(stand.server().send("PUT", "/v1/credentials/c", &credential).unwrap().0, 200);
}

#[test]
fn a_vault_that_kms_has_sealed_opens_by_itself_and_not_without_the_right_to() {
    let moto = peer!(Moto::start());
    let (holder, other) = (moto.user("holder", USE_KEYS), moto.user("other", READ_BUCKETS));
    let made = moto.ask_json("kms", "TrentService.CreateKey", &json!({}));
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    moto.ask_json("kms", "TrentService.CreateAlias", &json!({"AliasName": "alias/jackfield", "TargetKeyId": key}));
    moto.check();

    let mut stand = Stand::start();
    let credentials = stand.scratch().join("aws-credentials");
    let keep = |user: &AccessKey| {
        let text = format!("[vault]\naws_access_key_id = {}\naws_secret_access_key = {}\n", user.id, user.secret);
        std::fs::write(&credentials, text).unwrap();
    };
    keep(&holder);
    let url = moto.url();
    let mut init = vec!["vault", "init", "--aws-kms", "alias/jackfield", "--aws-region", "us-east-1"];
    init.extend(["--aws-credentials-file", credentials.to_str().unwrap(), "--aws-profile", "vault"]);
    init.extend(["--aws-endpoint", &url]);
    let made = stand.server().cli(&init).unwrap();
    assert_eq!((&made["state"], &made["keys"][0]["type"]), (&json!("open"), &json!("aws-kms")), "{made}");
    keep_something(&stand);
    stand.restart();
    assert_eq!(state(&stand), "open");
    stand.server().cli(&["vault", "rekey"]).unwrap();
    stand.restart();
    assert_eq!(state(&stand), "open");

    // One who may do something else, and one who signs with the wrong secret.
    for user in [&other, &AccessKey { id: holder.id.clone(), secret: "an0ther-secret-access-key".into() }] {
        keep(user);
        stand.restart();
        assert_eq!(state(&stand), "sealed");
        let (status, problem) = stand.server().send("POST", "/v1/vault/unlock", &json!({})).unwrap();
        assert_eq!(status, 403, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("alias/jackfield") && !detail.contains(&user.secret), "{detail}");
    }
    keep(&holder);
    stand.server().cli(&["vault", "unlock"]).unwrap();
    assert_eq!(state(&stand), "open");
    let log = stand.server_mut().process().output();
    assert!(log.contains("the vault is sealed with the key `alias/jackfield` of AWS KMS"), "{log}");
    assert!(!log.contains(&holder.secret), "{log}");
}

#[cfg(target_os = "linux")]
mod kernel {
    use jackfield_peers::{PeerError, Result, record};
    use linux_keyutils::{Key, KeyRing, KeyRingIdentifier};

    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

    /// A key in the keyring of this user, until the end of the test.
    struct Kept {
        ring: KeyRing,
        key: Key,
        name: String,
    }

    impl Kept {
        fn put(name: &str, text: &str) -> Result<Kept> {
            let missing = |error| PeerError::missing("kernel keyring", format!("the kernel refuses: {error}"));
            let ring = KeyRing::from_special_id(KeyRingIdentifier::User, true).map_err(missing)?;
            let name = format!("{name}-{}", std::process::id());
            let key = ring.add_key(&name, text).map_err(missing)?;
            record::used("kernel keyring", "linux");
            Ok(Kept { ring, key, name })
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            let _ = self.ring.unlink_key(self.key);
        }
    }

    #[test]
    fn a_vault_that_a_key_of_the_kernel_has_sealed_opens_while_that_is_there() {
        let kept = peer!(Kept::put("jackfield-kek", DIGITS));
        let mut stand = Stand::start();
        let made = stand.server().cli(&["vault", "init", "--keyring", &kept.name]).unwrap();
        assert_eq!((&made["state"], &made["keys"][0]["type"]), (&json!("open"), &json!("keyring")), "{made}");
        keep_something(&stand);
        stand.restart();
        assert_eq!(state(&stand), "open");
        // As after a restart of the machine.
        let name = kept.name.clone();
        drop(kept);
        stand.restart();
        assert_eq!(state(&stand), "sealed");
        let (status, problem) = stand.server().send("POST", "/v1/vault/unlock", &json!({})).unwrap();
        assert_eq!(status, 403, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("keyctl padd user {name} @u")), "{problem}");
        let again = Kept::put("jackfield-kek", &format!("{DIGITS}\n")).unwrap();
        assert_eq!(again.name, name);
        stand.server().cli(&["vault", "unlock"]).unwrap();
        assert_eq!(state(&stand), "open");
    }

    #[test]
    fn what_is_no_key_seals_no_vault() {
        let kept = peer!(Kept::put("jackfield-no-kek", &DIGITS[1..]));
        let stand = Stand::start();
        for (name, word) in
            [(kept.name.as_str(), "64 hexadecimal digits"), ("jackfield-nothing-of-it", "there is none")]
        {
            let keyring = json!({"keyring": {"name": name}});
            let (status, problem) = stand.server().send("POST", "/v1/vault/init", &keyring).unwrap();
            assert!((400..500).contains(&status), "{problem}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(word) && !detail.contains(&DIGITS[1..]), "{detail}");
        }
        assert_eq!(state(&stand), "absent");
    }
}
