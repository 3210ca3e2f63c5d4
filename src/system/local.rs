//! The host itself.
