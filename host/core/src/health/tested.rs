//! Whether an outside system is one that its plugin was tested with. What lies between two versions that were tested counts
//! as tested; what cannot be compared is not judged.

use jackfield_registry::Compatibility;

/// Why a system's version is none that was tested, if it is told and is none.
pub(crate) fn untested(found: &str, systems: &[Compatibility]) -> Option<String> {
    let numbers = numbers(found)?;
    let ranges: Vec<_> = systems.iter().filter_map(|system| Some((system, range(system)?))).collect();
    if ranges.is_empty() || ranges.iter().any(|(_, (low, high))| is_within(&numbers, low, high)) {
        return None;
    }
    let tested = |(system, _): &(&Compatibility, _)| format!("{} {}", system.system, system.versions.join(", "));
    let tested = ranges.iter().map(tested).collect::<Vec<_>>().join("; ");
    let found: String = found.chars().filter(|c| !c.is_control()).take(40).collect();
    Some(format!("its outside system says that it is {found}; the plugin was tested with {tested}"))
}

/// The oldest and the newest version of a system that were tested.
fn range(system: &Compatibility) -> Option<(Vec<u64>, Vec<u64>)> {
    let versions: Vec<Vec<u64>> = system.versions.iter().filter_map(|version| numbers(version)).collect();
    Some((versions.iter().min()?.clone(), versions.iter().max()?.clone()))
}

/// A version counts as one that is written with fewer numbers: 3.5.2 is a 3.5.
fn is_within(found: &[u64], low: &[u64], high: &[u64]) -> bool {
    let against = |bound: &[u64]| found.iter().take(bound.len()).cmp(bound.iter().take(found.len()));
    against(low).is_ge() && against(high).is_le()
}

/// The numbers that a version begins with.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.trim().trim_start_matches(['v', 'V']);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let numbers: Option<Vec<u64>> =
        version.get(..end)?.trim_end_matches('.').split('.').map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(system: &str, versions: &[&str]) -> Compatibility {
        Compatibility { system: system.into(), versions: versions.iter().map(|version| (*version).into()).collect() }
    }

    #[test]
    fn what_lies_between_two_tested_versions_is_tested_and_what_lies_beyond_is_told() {
        let systems = [system("prometheus", &["2.42", "3.5"]), system("victoriametrics", &["1.79", "1.145"])];
        for fine in ["2.42.0", "2.53.1", "3.5.9", "v3.0.0-rc.1", "1.100", "1.145.3", "3", "victoriametrics", ""] {
            assert_eq!(untested(fine, &systems), None, "{fine}");
        }
        for other in ["2.41.9", "3.6.0", "1.146", "1.9", "4"] {
            let told = untested(other, &systems).unwrap_or_else(|| panic!("{other}"));
            assert!(
                told.contains(other) && told.contains("prometheus 2.42, 3.5; victoriametrics 1.79, 1.145"),
                "{told}"
            );
        }
        assert_eq!(untested("9.9", &[]), None);
        assert_eq!(untested("9.9", &[system("a", &["latest"])]), None);
    }
}
