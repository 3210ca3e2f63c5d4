# Runs a tool while a session of the database's own client holds the lock and keeps the record.
#   $1 password or none   $2 the SQL that takes the lock   $3 the SQL that records the end   $4 and $5 the SQL before and
#   after the tool's exit status, when it fails   $6 how many words the session has   then those, then the tool's words
# A password is the first line of standard input.
set -eu
password=$1 begin=$2 finish=$3 before=$4 after=$5 count=$6
shift 6
already_applied=10

# Nothing is recorded of a tool that is not there.
tool=$(
    shift "$count"
    printf '%s' "$1"
)
command -v "$tool" >/dev/null || {
    printf '%s: not found\n' "$tool" >&2
    exit 127
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/windlass.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' HUP INT TERM
trap '' PIPE
mkfifo "$folder/in" "$folder/out"
[ "$password" = none ] || IFS= read -r line

(
    tool=$(($# - count))
    for _ in $(seq "$count"); do
        set -- "$@" "$1"
        shift
    done
    shift "$tool"
    trap - PIPE
    exec "$@"
) <"$folder/in" >"$folder/out" 2>"$folder/said" &
session=$!
exec 5>"$folder/in" 6<"$folder/out"
[ "$password" = none ] || printf '%s\n' "$line" >&5
unset line
printf '%s\n' "$begin" >&5

ready=
while IFS= read -r ready <&6; do
    [ "$ready" != 'windlass: ready' ] || break
done
if [ "$ready" != 'windlass: ready' ]; then
    exec 5>&-
    wait "$session" || true
    cat "$folder/said" >&2
    ! grep -q 'windlass: already applied' "$folder/said" || exit $already_applied
    exit 20
fi

shift "$count"
status=0
"$@" </dev/null 5>&- 6<&- || status=$?
if [ "$status" -eq 0 ]; then
    printf '%s\n' "$finish" >&5 || status=21
else
    printf '%s%s%s\n' "$before" "$status" "$after" >&5 || true
fi
exec 5>&-
cat <&6 >/dev/null
if ! wait "$session"; then
    cat "$folder/said" >&2
    [ "$status" -ne 0 ] || status=21
fi
exit "$status"
