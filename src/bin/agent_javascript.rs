//! The agent for hosts whose imports are audited: the same as `agent.rs`, with the parser of JavaScript.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::audit::look::with_javascript();
    windlass::agent::main()
}
