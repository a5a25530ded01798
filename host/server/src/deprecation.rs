//! What an answer says of an operation that is not to be used any more: the header `Deprecation` (RFC 9745) for whoever knows
//! it, with a link to what is known of the capability, and `Jackfield-Deprecated` with the versions, which RFC 9745 has no place
//! for. There is no `Sunset` (RFC 8594): an operation goes with a version of its capability, and nobody knows on which day
//! an operator takes that one up.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jackfield_core::Deprecated;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const VERSIONS: HeaderName = HeaderName::from_static("jackfield-deprecated");

/// Says of an operation that it is deprecated, if it is.
pub(crate) fn tell(headers: &mut HeaderMap, deprecated: Option<&Deprecated>) {
    let Some(Deprecated { capability, info, told_at }) = deprecated else { return };
    let mut insert = |name: HeaderName, value: String| {
        // Names and versions of WIT are ASCII, which a header can hold.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    insert(DEPRECATION, format!("@{}", told_at.div_euclid(1000)));
    insert(VERSIONS, format!("since=\"{}\", removal=\"{}\"", info.since, info.removal));
    insert(header::LINK, format!("</v1/capabilities/{capability}>; rel=\"deprecation\"; type=\"application/json\""));
}

#[cfg(test)]
mod tests {
    use jackfield_core::DeprecationInfo;

    use super::*;

    #[test]
    fn an_operation_that_is_deprecated_is_told_since_when_and_until_when_and_where_to_read_more() {
        let info = DeprecationInfo { since: "0.2.0".parse().unwrap(), removal: "0.3.0".parse().unwrap() };
        let deprecated = Deprecated { capability: "acme:dns@0.2.1".into(), info, told_at: 1_688_169_599_999 };
        let mut headers = HeaderMap::new();
        tell(&mut headers, Some(&deprecated));
        assert_eq!(headers["deprecation"], "@1688169599");
        assert_eq!(headers["jackfield-deprecated"], "since=\"0.2.0\", removal=\"0.3.0\"");
        let link = "</v1/capabilities/acme:dns@0.2.1>; rel=\"deprecation\"; type=\"application/json\"";
        assert_eq!(headers["link"], link);
    }

    #[test]
    fn of_others_nothing_is_said() {
        let mut headers = HeaderMap::new();
        tell(&mut headers, None);
        assert!(headers.is_empty());
    }
}
