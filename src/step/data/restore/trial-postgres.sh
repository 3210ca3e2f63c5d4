# Loads a dump from standard input into a new database, asks it, and drops it in any case. It follows client.sh.
#   $1 what it is   $2 and $3 the SQL that drops and makes the database   $4 custom or plain   $5 SQL that must be true, or
#   nothing   $6 the client's argument for the database that others are made in   $7 that for the new one
drop=$2 make=$3 format=$4 assertion=$5 server=$6 new=$7

tell() { printf '%s\n' "$1" | client "$server" >/dev/null; }

tell "$drop"
trap 'tell "$drop" || echo "windlass: what was loaded could not be dropped; the next test drops it" >&2' EXIT
trap 'exit 143' HUP INT TERM
tell "$make"
case $format in
    custom) pg_restore --no-password --no-owner --no-privileges --exit-on-error "$new" ;;
    plain) client "$new" >/dev/null ;;
esac
cat >/dev/null
if [ -n "$assertion" ]; then
    answer=$(printf 'START TRANSACTION READ ONLY;\n%s\n;\n' "$assertion" | client --tuples-only --no-align "$new")
    case $answer in
        t | true | 1) ;;
        *)
            printf 'windlass: the assertion is not true, it answers: %s\n' "$answer" | head -c 500 >&2
            exit 20
            ;;
    esac
fi
exit 10
