# Loads a dump from standard input into a new database and gives that the name it is to have. It follows client.sh.
#   $1 what it is   $2 the SQL that drops the new one   $3 the SQL that makes it   $4 custom or plain
#   $5 replace, or new   $6 the SQL that gives it the name   $7 the SQL that lets everybody into the old one again
#   $8 the client's argument for the database that others are made in   $9 that for the new one   the rest: pg_restore's options
drop=$2 make=$3 format=$4 there=$5 switch=$6 allow=$7 server=$8 new=$9
shift 9

tell() { printf '%s\n' "$1" | client "$server" >/dev/null; }

undo() {
    status=$?
    trap - EXIT
    [ "$status" -ne 0 ] || exit 0
    [ "$there" != replace ] || tell "$allow" 2>/dev/null || true
    tell "$drop" || echo "windlass: what was loaded could not be dropped; the next restore of it drops it" >&2
    exit "$status"
}

load() {
    case $format in
        custom) pg_restore --no-password --exit-on-error "$@" "$new" ;;
        plain) client "$new" >/dev/null ;;
    esac
}

tell "$drop"
trap undo EXIT
trap 'exit 143' HUP INT TERM
tell "$make"
load "$@"
cat >/dev/null
tell "$switch"
