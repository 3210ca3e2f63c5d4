# Makes a copy of a database, runs a script of SQL in it, and drops it in any case.
#   $1 what it is   $2 the SQL that drops the copy   $3 the SQL that makes it, empty   $4 the database's own name
#   $5 the client's argument for the database   $6 that for the copy   the rest: its other arguments
#   standard input: the script
drop=$2 make=$3 name=$4 database=$5 copy=$6
shift 6

drop_copy() { printf '%s\n' "$drop" | client "$@" "$database" >/dev/null; }

dump() {
    case $kind in
        postgres) pg_dump --no-password --no-owner --no-privileges --no-publications --no-subscriptions "$database" ;;
        mysql) with_options "$(named mariadb-dump mysqldump)" --single-transaction --quick --routines --no-tablespaces "$@" "$name" ;;
    esac
}

trap 'drop_copy "$@" || echo "windlass: the copy could not be dropped; the next try drops it" >&2' EXIT
trap 'exit 143' HUP INT TERM
drop_copy "$@"
printf '%s\n' "$make" | client "$@" "$database" >/dev/null

failed=$({ { dump "$@" </dev/null || echo dump >&5; } | client "$@" "$copy" >/dev/null || echo load >&5; } 5>&1)
if [ -n "$failed" ]; then
    echo "windlass: the copy could not be made:" $failed >&2
    exit 20
fi
recorded "$@" "$copy"
