//! What `blue_green` plans.
