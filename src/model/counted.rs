//! Numbers of things, in words.

/// `1 host`, `2 hosts`.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
