//! One thing to tell, which succeeds or fails by itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Notice;

/// What of an eviction is told. Ordered by importance: a status ends the pod, an event only says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matter {
    /// `status` of the pod.
    Status,
    /// An event about the pod.
    Event,
}

impl Matter {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Status, Self::Event];

    /// As in records and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Event => "event",
        }
    }

    /// What a role must allow for it.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Status => "patch pods/status",
            Self::Event => "create events",
        }
    }
}

/// Names an entry: of each pod there is one of each matter at most, since a pod is evicted once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What.
    pub matter: Matter,
    /// Of which pod.
    pub uid: Arc<str>,
}

/// One entry of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is told.
    pub matter: Matter,
    /// Of which eviction.
    pub notice: Arc<Notice>,
}

impl Entry {
    /// Everything to be told of an eviction.
    pub fn of(notice: &Arc<Notice>) -> [Self; 2] {
        Matter::ALL.map(|matter| Self { matter, notice: notice.clone() })
    }

    /// Its name.
    pub fn key(&self) -> Key {
        Key { matter: self.matter, uid: self.notice.uid.clone() }
    }

    /// Bytes it takes, roughly.
    pub fn size(&self) -> usize {
        let notice = &self.notice;
        let annotations: usize = notice.annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
        let names = notice.namespace.len() + notice.pod.len() + notice.uid.len();
        256 + names + notice.message.len() + annotations
    }
}
