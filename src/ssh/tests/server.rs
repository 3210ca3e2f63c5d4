//! An SSH server in this process.
