//! Step kinds that run a program of the user, and those that look at a host and change nothing.

/// Why a program of the user is not undone.
const NO_UNDO: &str = "its step gives no undo";

kinds! {
    "run and check":
    command::Command,
    script::Script,
    port::Port,
    disk::Disk,
    resources::Resources,
    check::Check,
    wait::Wait,
    wait_for::WaitFor,
    http::Http,
    assert::Assert,
    debug::Debug,
    set::Set,
    flush_handlers::FlushHandlers,
    group_by::GroupBy,
}
