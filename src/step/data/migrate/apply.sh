# Runs one script of SQL and, when the server refuses it, puts the error into the record.
#   $1 what it is   $2 and $3 the SQL before and after the error's bytes in hexadecimal, which may be empty
#   the rest: the client's arguments   standard input: the script
before=$2 after=$3
shift 3
already_applied=10

status=0
{ said=$(recorded "$@" 2>&1 >&4) || status=$?; } 4>&1
[ -z "$said" ] || printf '%s\n' "$said" >&2
case $said in *'windlass: already applied'*) exit $already_applied ;; esac
error=$(printf '%s\n' "$said" | grep -E '^(ERROR |psql:<stdin>:[0-9]+: [^ ]+:  [^0])' | head -n 1 |
    sed -e 's/^psql:<stdin>:[0-9]*: //' -e 's/^\(ERROR [^:]*\) at line [0-9]*:/\1:/' | head -c 1000)
if [ "$status" -ne 0 ] && [ -n "$error" ] && [ -n "$before" ]; then
    bytes=$(printf '%s' "$error" | od -An -v -tx1 | tr -d ' \n')
    # What cannot be written down here is in windlass's own record all the same.
    printf '%s%s%s\n' "$before" "$bytes" "$after" | recorded "$@" >/dev/null 2>&1 || true
fi
exit "$status"
