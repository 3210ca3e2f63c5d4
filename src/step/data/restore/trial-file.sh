# Reads a file from standard input to its end; Redis's own checker reads it too, where there is one.
#   $1 a folder that is removed again   $2 what it is   $3 the container that has the checker, or nothing
set -eu
stage=$1 kind=$2 container=$3
trap 'rm -rf -- "$stage"' EXIT
trap 'exit 143' HUP INT TERM
rm -rf -- "$stage"
mkdir -m 700 -- "$stage"
if [ "$kind" = rdb ] && [ -z "$container" ] && command -v redis-check-rdb >/dev/null 2>&1; then
    cat >"$stage/dump.rdb"
    redis-check-rdb "$stage/dump.rdb" >&2
else
    cat >/dev/null
fi
exit 10
