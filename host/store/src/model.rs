//! The words of a store: what is kept, what a commit changes, and what must hold for it.

use std::fmt;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;
/// The most mutations in one commit.
pub const MAX_MUTATIONS: usize = 10_000;

/// A room of keys of one kind. The numbers are on disk: never reused, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// Installed plugins, by name.
    Plugins = 1,
    /// Plugin files, by digest.
    Components = 2,
    /// Integrations, by name.
    Integrations = 3,
    /// What plugins keep, by incarnation of their integration.
    State = 4,
    /// What the host itself remembers.
    Meta = 5,
    /// The vault's key, wrapped, and credentials, sealed.
    Vault = 6,
    /// The audit trail, in blocks of lines.
    Audit = 7,
    /// Writes that were begun, and what came of them.
    Journal = 8,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Self; 8] = [
        Self::Plugins,
        Self::Components,
        Self::Integrations,
        Self::State,
        Self::Meta,
        Self::Vault,
        Self::Audit,
        Self::Journal,
    ];
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugins => "plugins",
            Self::Components => "components",
            Self::Integrations => "integrations",
            Self::State => "state",
            Self::Meta => "meta",
            Self::Vault => "vault",
            Self::Audit => "audit",
            Self::Journal => "journal",
        })
    }
}

/// A value and the revision of the commit that last changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The value.
    pub value: Vec<u8>,
    /// The revision of the commit that last set the key. There is one counter a store, and it only grows.
    pub revision: u64,
}

/// What must be true of a key, before the commit, for the commit to happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    #[default]
    Any,
    /// The key is not there.
    Absent,
    /// The key is there.
    Present,
    /// The key is at exactly this revision.
    Revision(u64),
}

impl Expect {
    /// Whether a key at `found` (none: not there) is as expected.
    pub fn holds(self, found: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Revision(wanted) => found == Some(wanted),
        }
    }
}

/// What happens to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It gets this value.
    Set(Vec<u8>),
    /// It goes, if it is there.
    Delete,
    /// Every key that starts with it goes. Takes no expectation.
    DeletePrefix,
    /// Nothing: only the expectation counts.
    Keep,
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Where the key is.
    pub bucket: Bucket,
    /// The key: 1 to [`MAX_KEY_BYTES`] bytes.
    pub key: String,
    /// What must be true of it.
    pub expect: Expect,
    /// What happens to it.
    pub change: Change,
    /// What must be true of the bucket after the whole commit.
    pub quota: Option<Quota>,
}

impl Mutation {
    /// Sets a key.
    pub fn set(bucket: Bucket, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::new(bucket, key, Change::Set(value.into()))
    }

    /// Removes a key.
    pub fn delete(bucket: Bucket, key: impl Into<String>) -> Self {
        Self::new(bucket, key, Change::Delete)
    }

    /// Removes every key that starts with `prefix`.
    pub fn delete_prefix(bucket: Bucket, prefix: impl Into<String>) -> Self {
        Self::new(bucket, prefix, Change::DeletePrefix)
    }

    /// Changes nothing, but makes the commit depend on a key.
    pub fn require(bucket: Bucket, key: impl Into<String>, expect: Expect) -> Self {
        Self::new(bucket, key, Change::Keep).expect(expect)
    }

    /// The same, only if this is true of the key.
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// The same, only within this quota.
    pub fn quota(mut self, quota: Quota) -> Self {
        self.quota = Some(quota);
        self
    }

    fn new(bucket: Bucket, key: impl Into<String>, change: Change) -> Self {
        Self { bucket, key: key.into(), expect: Expect::Any, change, quota: None }
    }
}

/// How much the keys of one prefix may take. A commit that ends above it is refused, unless it makes things smaller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// The keys that count, in the mutation's bucket.
    pub prefix: String,
    /// The most bytes of keys (without the prefix) and values.
    pub max_bytes: u64,
    /// The most keys.
    pub max_keys: u64,
}

/// How much the keys of one prefix take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many there are.
    pub keys: u64,
    /// Bytes of keys (without the prefix) and values.
    pub bytes: u64,
}
