//! Roles of AWS: STS gives an access key that is good for an hour.
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jackfield_net::Address;
use jackfield_sigv4::{Payload, Request, Signer};
use jackfield_vault::{Lease, Material};
use zeroize::Zeroizing;

use super::{
    ask::{Ask, Given, Refused, field, until},
    oauth::Form,
};

const STS: &str = "https://sts.amazonaws.com";
/// Where the one above is; regional ones say it in their name.
const REGION: &str = "us-east-1";
/// Seconds that the key is good for: what every role allows.
const DURATION: &str = "3600";

pub(super) fn ask(lease: &Lease, now: SystemTime) -> Result<Ask, String> {
    let url = lease.material.text("sts-url").unwrap_or(STS);
    let mut form = Form::empty();
    form.add("Action", "AssumeRole");
    form.add("Version", "2011-06-15");
    form.add("RoleArn", field(lease, "role-arn")?);
    form.add("RoleSessionName", lease.material.text("session-name").unwrap_or("jackfield"));
    form.add("DurationSeconds", DURATION);
    form.add_from("ExternalId", lease, "external-id");
    let mut ask = form.into_ask(url);
    let address = Address::parse(url).map_err(|error| format!("`{url}` is no address: {error}"))?;
    let signer = Signer {
        access_key_id: field(lease, "access-key-id")?,
        secret_access_key: field(lease, "secret-access-key")?,
        session_token: lease.material.text("session-token"),
        region: region(url),
        service: "sts",
        payload: Payload::Signed,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ask.content_type));
    let target = Zeroizing::new(ask.target(&address));
    let request = Request {
        method: &Method::POST,
        host: &address.authority(),
        target: &target,
        headers: &mut headers,
        body: &ask.body,
    };
    signer.sign(request, now).map_err(|_| "its access key has no form in a header")?;
    ask.headers = headers;
    Ok(ask)
}

/// The region of an STS address: `https://sts.eu-central-1.amazonaws.com`.
fn region(url: &str) -> &str {
    let host = url.split("://").nth(1).unwrap_or_default();
    let mut labels = host.split('.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some("sts"), Some(region), Some("amazonaws")) => region,
        _ => REGION,
    }
}

pub(super) fn read(status: StatusCode, text: &[u8], now: SystemTime) -> Result<Given, Refused> {
    let text = std::str::from_utf8(text).map_err(|_| Refused::Trouble("the answer is no text".into()))?;
    if !status.is_success() {
        // An error's code is a word; its message may repeat what was sent.
        return Err(match (element(text, "Code"), Refused::of(status)) {
            (Some(code), Refused::Credential(_)) if code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') => {
                Refused::Credential(format!("it answers {code}"))
            }
            (_, refused) => refused,
        });
    }
    let part = |name: &str| element(text, name).ok_or_else(|| Refused::Credential(format!("the answer has no {name}")));
    let fields = Material::new([
        ("access-key-id", part("AccessKeyId")?),
        ("secret-access-key", part("SecretAccessKey")?),
        ("session-token", part("SessionToken")?),
    ]);
    Ok(Given { fields, lifetime: until(part("Expiration")?, now) })
}

/// The text of the first element of a name. What is looked for here holds neither elements nor entities, and is not
/// taken where it does.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    let value = value.trim();
    (!value.is_empty() && !value.contains(['<', '&'])).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_in_the_address_of_a_regional_sts_and_of_no_other() {
        assert_eq!(region("https://sts.eu-central-1.amazonaws.com"), "eu-central-1");
        for other in [STS, "http://127.0.0.1:5000", "https://sts.example.org", ""] {
            assert_eq!(region(other), REGION, "{other}");
        }
    }

    #[test]
    fn an_element_is_plain_text_or_not_taken() {
        assert_eq!(element("<a><Code> x </Code></a>", "Code"), Some("x"));
        for other in ["<Code>", "<Code></Code>", "<Code>&lt;</Code>", "<Code><b>x</b></Code>", "Code"] {
            assert_eq!(element(other, "Code"), None, "{other}");
        }
    }
}
