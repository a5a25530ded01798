//! The trust policy among documents: there is one, so it is set or stays, and is never pruned.

use serde_json::{Value, json};

use super::{
    DesiredAction,
    apply::{How, Step, step},
    difference::between,
    documents::Desired,
};
use crate::view::View;

/// The step that has the policy as it is wanted, where it is another.
pub(super) fn plan<'a>(view: &View, desired: &'a Desired) -> Option<Step<'a>> {
    let (place, wanted) = desired.trust.as_ref()?;
    let is = view.trust.policy().map(|policy| policy.to_json());
    let to_be = wanted.to_json();
    if is.as_ref().is_ok_and(|is| *is == to_be) {
        return None;
    }
    let mut step = step("trust", "policy".to_owned(), DesiredAction::Update, Some(place), How::Trust(wanted));
    // Of one that cannot be read nobody knows in what it differs.
    step.change.fields = is.map(|is| between(&is, &to_be)).unwrap_or_default();
    Some(step)
}

/// The policy as a document, where there is something to say.
pub(super) fn export(view: &View) -> Option<Value> {
    let policy = view.trust.policy().ok()?;
    (policy.to_json() != jackfield_trust::TrustPolicy::default().to_json()).then(|| json!({"trust": policy.to_json()}))
}
