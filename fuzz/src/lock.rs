//! Lock files. One that is read is written as text that says the same, and again as the same bytes; whoever installs by it
//! what it names is told of no difference. One that is refused is refused in words that fit a terminal.

use jackfield_registry::Lock;

/// Checks a lock file.
pub fn check(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    let lock = match text.parse::<Lock>() {
        Ok(lock) => lock,
        Err(error) => {
            assert!(!error.message.is_empty(), "refused without a word");
            assert!(
                error.line.is_none_or(|line| line > 0 && line <= text.split('\n').count()),
                "a line that is not there"
            );
            return assert!(error.to_string().len() < 2048, "more words than anybody reads");
        }
    };
    let written = lock.to_string();
    assert_eq!(written.parse::<Lock>().as_ref(), Ok(&lock), "another lock comes out of its text");
    for plugin in lock.iter() {
        assert_eq!(lock.get(&plugin.name, &plugin.version), Some(plugin));
        assert_eq!(plugin.drift(plugin), [], "it is not what it is");
    }
}
