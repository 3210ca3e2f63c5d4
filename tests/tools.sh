# shellcheck shell=bash
# Programs from crates.io that checks need. Sourced, never run.

# Puts a program into PATH: compiled once for each version, kept outside of the tree. Unoptimised, since compiling takes longer
# than its work. More arguments go to `cargo install`.
provide_tool() {
  local name=$1 version=$2 kept
  shift 2
  kept=${XDG_CACHE_HOME:-$HOME/.cache}/windlass-ci/$name-$version
  [ -x "$kept/bin/$name" ] ||
    env -u RUSTC_WORKSPACE_WRAPPER cargo install --locked --quiet --debug --root "$kept" --version "$version" "$@" "$name"
  PATH=$kept/bin:$PATH
}

# Without its web server and search, which compile for minutes and change no page.
provide_mdbook() { provide_tool mdbook 0.5.4 --no-default-features; }
