# Loads a dump from standard input into a new database, asks it, and drops it in any case. It follows client.sh.
#   $1 what it is   $2 and $3 the SQL that drops and makes the database   $4 SQL that must be true, or nothing
#   $5 the client's argument for the new one   the rest: its other arguments
drop=$2 make=$3 assertion=$4 new=$5
shift 5

tell() {
    sql=$1
    shift
    printf '%s\n' "$sql" | client "$@" >/dev/null
}

tell "$drop" "$@"
trap 'tell "$drop" "$@" || echo "windlass: what was loaded could not be dropped; the next test drops it" >&2' EXIT
trap 'exit 143' HUP INT TERM
tell "$make" "$@"
client "$@" "$new" >/dev/null
cat >/dev/null
if [ -n "$assertion" ]; then
    answer=$(printf 'START TRANSACTION READ ONLY;\n%s\n;\n' "$assertion" | client --skip-column-names "$@" "$new")
    if [ "$answer" != 1 ]; then
        printf 'windlass: the assertion is not true, it answers: %s\n' "$answer" | head -c 500 >&2
        exit 20
    fi
fi
exit 10
