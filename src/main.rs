//! The controller's command line: parse, run, print, exit.

fn main() -> std::process::ExitCode {
    windlass::cli::main(std::env::args_os())
}
