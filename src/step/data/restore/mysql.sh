# Loads a dump from standard input. Where a database of its name is there, it is loaded into another one, and then the
# tables of both change places in one statement. It follows client.sh.
#   $1 what it is   $2 replace, or new   $3 and $4 the SQL that drops and makes the database it is loaded into   $5 that one's
#   name as the client's argument   $6 asks for what cannot change places   $7 the SQL that makes a database for the old
#   tables   $8 asks for the moves   the rest: the client's arguments
there=$2 drop=$3 make=$4 loading=$5 fixed=$6 make_kept=$7 moves=$8
shift 8

tell() {
    sql=$1
    shift
    printf '%s\n' "$sql" | client "$@" >/dev/null
}
ask() {
    sql=$1
    shift
    printf '%s\n' "$sql" | client --skip-column-names --raw "$@"
}

undo() {
    status=$?
    trap - EXIT
    [ "$status" -ne 0 ] || exit 0
    tell "$drop" "$@" || echo "windlass: what was loaded could not be dropped; the next restore of it drops it" >&2
    exit "$status"
}

[ "$there" = new ] || tell "$drop" "$@"
tell "$make" "$@"
trap 'undo "$@"' EXIT
trap 'exit 143' HUP INT TERM
client "$@" "$loading" >/dev/null
cat >/dev/null
if [ "$there" = replace ]; then
    found=$(ask "$fixed" "$@" | head -n 5 | tr '\n' ' ')
    if [ -n "$found" ]; then
        echo "windlass: MySQL moves tables between databases, and neither views nor triggers, routines or events: $found" >&2
        exit 21
    fi
    tell "$make_kept" "$@"
    statement=$(ask "$moves" "$@" | paste -s -d , -)
    [ -z "$statement" ] || tell "RENAME TABLE $statement;" "$@"
    tell "$drop" "$@"
fi
