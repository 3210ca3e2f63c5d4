//! The agent: reads a job from standard input, works it on the host it runs on, writes events on standard output.

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::agent::main()
}
