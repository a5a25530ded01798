//! What an earlier process has left half done, or an operator has done since, as far as it can be told from the versions of the
//! credential. Nothing that was made stays behind: it is used, or it is taken back.

use jackfield_vault::{VersionInfo, VersionState};

use super::plan::IssuerInfo;

/// Brings a plan up to what has become of the versions. Returns those that nobody has tried out to the end: they are to be
/// revoked.
pub(super) fn recover(info: &mut IssuerInfo, versions: &[VersionInfo]) -> Vec<u64> {
    let mut untried = Vec::new();
    for place in 0..info.issued.len() {
        let claimed: Vec<Option<u64>> = info.issued.iter().map(|issued| issued.version).collect();
        let Some(issued) = info.issued.get_mut(place).filter(|issued| !issued.withdrawn) else { continue };
        if issued.version.is_none() {
            // It may have come to be the version that was made next, which then is in use perhaps.
            let newest = versions.iter().map(|version| (version.version, version.created_at)).max();
            let newest = newest.filter(|(number, at)| !claimed.contains(&Some(*number)) && *at >= issued.made_at);
            issued.version = newest.map(|(number, _)| number);
        }
        let held = versions.iter().find(|version| Some(version.version) == issued.version);
        // Else it was revoked, or its secret is lost.
        issued.withdrawn =
            !held.is_some_and(|held| matches!(held.state, VersionState::Current | VersionState::Previous));
        untried.extend(held.filter(|held| held.state == VersionState::Staged).map(|held| held.version));
    }
    // It was used, and the one before was not taken back any more; whoever used that one ended with the process.
    let current = versions.iter().find(|version| version.state == VersionState::Current).map(|version| version.version);
    let used =
        info.issued.iter_mut().find(|issued| !issued.withdrawn && current.is_some() && issued.version == current);
    if let Some(replaced) = used.and_then(|used| used.replaces.take()) {
        for issued in info.issued.iter_mut().filter(|issued| issued.version == Some(replaced)) {
            issued.withdrawn = true;
        }
    }
    if !info.ended {
        info.schedule(current);
    }
    untried
}

#[cfg(test)]
mod tests {
    use jackfield_vault::CredentialKind;
    use serde_json::Map;

    use super::{
        super::plan::{Issued, IssuerSettings},
        *,
    };
    use VersionState::{Current, Previous, Revoked, Staged};

    /// A plan with what was made one second after the other, by the versions that hold it.
    fn plan(made: &[Option<u64>], replaces: Option<u64>) -> IssuerInfo {
        let mut info = IssuerInfo::new(IssuerSettings {
            integration: "admin".into(),
            kind: CredentialKind::Basic,
            parameters: Map::new(),
            every_s: Some(100),
        });
        info.issued = (made.iter().zip(1_i64..))
            .map(|(version, number)| Issued {
                handle: format!("h{number}"),
                integration: "admin".into(),
                version: *version,
                made_at: number * 1000,
                lifetime_s: None,
                ends_at: None,
                replaces: replaces.filter(|_| made.len() == number as usize),
                withdrawn: false,
                failed: None,
            })
            .collect();
        info
    }

    /// Versions 1, 2, …, each from a moment after what it holds was made.
    fn versions(states: &[VersionState]) -> Vec<VersionInfo> {
        let version = |(state, version): (&VersionState, u32)| VersionInfo {
            version: version.into(),
            state: *state,
            created_at: i64::from(version) * 1000 + 1,
            since: 0,
            uses: 0,
            sources: Default::default(),
            needs_reauthorization_since: None,
        };
        states.iter().zip(1..).map(version).collect()
    }

    #[test]
    fn wherever_a_rotation_ended_what_is_not_used_is_taken_back() {
        for (made, replaces, states, withdrawn, untried) in [
            // Made, and not in the vault.
            (vec![Some(1), None], None, vec![Current], vec![false, true], vec![]),
            // In the vault, and not noted.
            (vec![Some(1), None], None, vec![Current, Staged], vec![false, true], vec![2]),
            // Not tried out, or tried out and not used.
            (vec![Some(1), Some(2)], None, vec![Current, Staged], vec![false, true], vec![2]),
            (vec![Some(1), Some(2)], Some(1), vec![Current, Staged], vec![false, true], vec![2]),
            // Used, and the one before not taken back.
            (vec![Some(1), Some(2)], Some(1), vec![Previous, Current], vec![true, false], vec![]),
            // Used, though nobody knows whether it works everywhere: the operator decides.
            (vec![Some(1), Some(2)], None, vec![Previous, Current], vec![false, false], vec![]),
            // The operator went back to the one before, or revoked it.
            (vec![Some(1), Some(2)], None, vec![Current, Previous], vec![false, false], vec![]),
            (vec![Some(1), Some(2)], None, vec![Revoked, Current], vec![true, false], vec![]),
            // The first one, in the vault and not noted; and the credential is gone.
            (vec![None], None, vec![Current], vec![false], vec![]),
            (vec![Some(1)], None, vec![], vec![true], vec![]),
        ] {
            let shown = format!("{made:?} {replaces:?} {states:?}");
            let (mut info, versions) = (plan(&made, replaces), versions(&states));
            assert_eq!(recover(&mut info, &versions), untried, "{shown}");
            assert_eq!(info.issued.iter().map(|issued| issued.withdrawn).collect::<Vec<_>>(), withdrawn, "{shown}");
            let once = info.clone();
            assert!(recover(&mut info, &versions).is_empty() && info == once, "again, and it is another: {shown}");
        }
    }

    #[test]
    fn the_next_is_due_though_the_process_ended_before_that_was_noted() {
        for (made, replaces, states, due) in [
            (vec![None], None, vec![Current], Some(101_000)),
            (vec![Some(1), Some(2)], Some(1), vec![Previous, Current], Some(102_000)),
            // What somebody else set is nobody's to rotate.
            (vec![Some(1)], None, vec![Previous, Current], None),
        ] {
            let mut info = plan(&made, replaces);
            recover(&mut info, &versions(&states));
            assert_eq!((info.due_at, info.issued.iter().all(|issued| issued.replaces.is_none())), (due, true));
        }
    }
}
