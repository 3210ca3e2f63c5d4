//! What check mode cannot know: a value that stands for it, and a mark that an expression looked at it.

use crate::template::{Datum, Object};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Set when an expression looks at something unknown: what that was.
#[derive(Clone, Debug, Default)]
pub struct Mark(Arc<Mutex<Option<String>>>);

impl Mark {
    /// Notes what was looked at, the first time.
    pub fn set(&self, what: String) {
        lock(&self.0).get_or_insert(what);
    }

    /// What was looked at since it was taken last.
    pub fn take(&self) -> Option<String> {
        lock(&self.0).take()
    }
}

/// Stands for a value while it is not known: whatever is asked of it is as unknown as it is. What comes of the
/// expression is thrown away.
#[derive(Debug)]
pub struct Blank;

impl Object for Blank {
    fn get(&self, _: &str) -> Option<Datum> {
        Some(Datum::Object(Arc::new(Blank)))
    }

    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    fn is_blank(&self) -> bool {
        true
    }
}

/// These locks guard plain data that is never left half changed, so a panic elsewhere does not spoil it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
