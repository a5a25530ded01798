//! The bounds that a guest can run into within a call, by name.

/// A bound on what one call, or the instance it runs in, may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Processor time, in milliseconds.
    Cpu,
    /// Linear memory, in MiB.
    Memory,
    /// Elements of tables.
    Tables,
    /// WebAssembly's stack, in KiB.
    Stack,
    /// What the host copies out of the guest, in MiB.
    Copies,
    /// Bodies, streams and other resources held at once.
    Resources,
    /// The answer as JSON, in KiB.
    Result,
}

impl Limit {
    /// Every bound.
    pub const ALL: [Self; 7] =
        [Self::Cpu, Self::Memory, Self::Tables, Self::Stack, Self::Copies, Self::Resources, Self::Result];

    /// Its name where machines read it, e.g. `cpu`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Tables => "tables",
            Self::Stack => "stack",
            Self::Copies => "copies",
            Self::Resources => "resources",
            Self::Result => "result",
        }
    }

    /// What happened and what to do, for a person.
    pub(crate) fn sentence(self, most: u64) -> String {
        match self {
            Self::Cpu => format!(
                "the plugin used more than its {most} ms of processor time; raise `cpu-ms` in its limits if it needs more"
            ),
            Self::Memory => format!(
                "the plugin needs more than its {most} MiB of memory; raise `memory-mib` in its limits or ask for less at once"
            ),
            Self::Tables => format!("the plugin's tables grew beyond {most} elements, which no plugin needs"),
            Self::Stack => format!(
                "the plugin called itself too deeply for its stack of {most} KiB; ask for something less deeply nested"
            ),
            Self::Copies => {
                format!("the plugin handed over more than {most} MiB of values in one call; ask for less at once")
            }
            Self::Resources => {
                format!(
                    "the plugin holds more than {most} answers and streams at once; it should close what it has read"
                )
            }
            Self::Result => format!(
                "the plugin's answer is longer than {most} KiB as JSON; raise `result-mib` in its limits or ask for less of it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_name_of_its_own_and_says_how_much_it_is() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert!(Limit::ALL[..index].iter().all(|other| other.as_str() != limit.as_str()));
            assert!(limit.sentence(4711).contains("4711"), "{limit:?}");
        }
    }
}
