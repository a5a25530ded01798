//! How an integration is, as a state machine. One failed check of a healthy integration proves little, several in a row
//! do; but an integration that was never seen to work, one that says itself that it does not, and one whose check a
//! person asked for are believed at once.

use crate::HealthState;

/// Checks that must fail in a row before a working integration counts as unhealthy.
pub(crate) const PATIENCE: u32 = 3;

/// How well something works that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Everything.
    Full,
    /// In part.
    Partial,
}

/// Where an integration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Never checked.
    #[default]
    Unknown,
    /// It worked when it was last checked.
    Up(Level),
    /// It worked, and then so many checks failed.
    Failing(Level, u32),
    /// It does not work.
    Down,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It works.
    Works(Level),
    /// The plugin says that it does not.
    Broken,
    /// The check failed. A person may have asked for it, who is told what is so now.
    Failed {
        /// Whether a person asked.
        asked: bool,
    },
}

impl Machine {
    /// The state after a check.
    pub(crate) fn transition(self, finding: Finding) -> Self {
        match (self, finding) {
            (_, Finding::Works(level)) => Self::Up(level),
            (_, Finding::Broken | Finding::Failed { asked: true }) => Self::Down,
            (Self::Unknown | Self::Down, Finding::Failed { .. }) => Self::Down,
            (Self::Up(level), Finding::Failed { .. }) => Self::Failing(level, 1),
            (Self::Failing(_, failures), Finding::Failed { .. }) if failures + 1 >= PATIENCE => Self::Down,
            (Self::Failing(level, failures), Finding::Failed { .. }) => Self::Failing(level, failures + 1),
        }
    }

    /// The state in one word.
    pub(crate) fn state(self) -> HealthState {
        match self {
            Self::Unknown => HealthState::Unknown,
            Self::Up(Level::Full) | Self::Failing(Level::Full, _) => HealthState::Healthy,
            Self::Up(Level::Partial) | Self::Failing(Level::Partial, _) => HealthState::Degraded,
            Self::Down => HealthState::Unhealthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAILED: Finding = Finding::Failed { asked: false };

    fn after(findings: &[Finding]) -> Machine {
        findings.iter().fold(Machine::Unknown, |machine, finding| machine.transition(*finding))
    }

    #[test]
    fn a_working_integration_is_given_patience_and_one_never_seen_to_work_is_not() {
        let works = Finding::Works(Level::Full);
        assert_eq!(after(&[FAILED]), Machine::Down);
        assert_eq!(after(&[works, FAILED, FAILED]).state(), HealthState::Healthy);
        assert_eq!(after(&[works, FAILED, FAILED, FAILED]), Machine::Down);
        assert_eq!(after(&[works, FAILED, FAILED, works, FAILED]), Machine::Failing(Level::Full, 1));
        assert_eq!(after(&[Finding::Works(Level::Partial), FAILED]).state(), HealthState::Degraded);
    }

    #[test]
    fn the_plugins_own_word_and_a_check_that_was_asked_for_count_at_once() {
        let works = Finding::Works(Level::Full);
        assert_eq!(after(&[works, Finding::Broken]), Machine::Down);
        assert_eq!(after(&[works, Finding::Failed { asked: true }]), Machine::Down);
        assert_eq!(after(&[Finding::Broken, works]), Machine::Up(Level::Full));
    }

    proptest! {
        #[test]
        fn a_check_that_works_always_ends_up_and_patience_never_lasts_longer_than_it_may(
            findings in proptest::collection::vec(0u8..4, 0..20)
        ) {
            let findings: Vec<Finding> = findings.iter().map(|n| match n {
                0 => Finding::Works(Level::Full),
                1 => Finding::Works(Level::Partial),
                2 => Finding::Broken,
                _ => FAILED,
            }).collect();
            let machine = after(&findings);
            let failures = findings.iter().rev().take_while(|f| **f == FAILED).count();
            match machine {
                Machine::Unknown => prop_assert!(findings.is_empty()),
                Machine::Up(_) => prop_assert_eq!(failures, 0),
                Machine::Failing(_, count) => prop_assert!(count as usize == failures && count < PATIENCE),
                Machine::Down => prop_assert!(failures > 0 || findings.last() == Some(&Finding::Broken)),
            }
            let works = Finding::Works(Level::Full);
            prop_assert_eq!(machine.transition(works).state(), HealthState::Healthy);
        }
    }
}
