//! An overlay on a pretended host.
