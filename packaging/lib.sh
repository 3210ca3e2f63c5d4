# What the scripts that make packages share.

# The version that Cargo.toml gives.
version() { sed -n 's/^version = "\(.*\)"$/\1/p' "$1/../Cargo.toml" | head -n 1; }

# The time of everything in a package, so that the same program gives the same package. The last commit's, unless it is given.
package_time() {
  [ -n "${SOURCE_DATE_EPOCH:-}" ] || SOURCE_DATE_EPOCH=$(git -C "$1" log -1 --format=%ct 2>/dev/null || echo 0)
  export SOURCE_DATE_EPOCH
}

# A directory that goes when the script ends.
temporary() {
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}
