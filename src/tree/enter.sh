# Enters a directory by its path, in which there is no link: what another user puts in its place meanwhile is not entered,
# and names that are relative to it stay in it.
#   $1 the directory
enter() {
    cd -P -- "$1" || exit 20
    [ "$(pwd -P)" != "$1" ] || return 0
    echo "windlass: $1 leads to $(pwd -P) by now: another user can change what is on the way" >&2
    exit 20
}
