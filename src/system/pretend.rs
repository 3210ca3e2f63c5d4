//! A host whose writes are held in memory.
