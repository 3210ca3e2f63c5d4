# shellcheck shell=bash
# Runs the parts of a check one after the other and writes down how long each took. Sourced, never run.

# tests/figures prints this file: "seconds name", in the order in which the parts ended.
stage_times=target/stage-seconds

stage() {
  local name=$1 started=$SECONDS
  shift
  printf '\n=== %s\n' "$name" >&2
  "$@"
  record_stage "$name" $((SECONDS - started))
  printf '=== %s: done in %d s\n' "$name" $((SECONDS - started)) >&2
}

record_stage() { printf '%d %s\n' "$2" "$1" >>"$stage_times"; }
