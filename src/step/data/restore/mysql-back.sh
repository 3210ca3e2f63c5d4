# Gives the old tables their database back, and drops those that were restored. It follows client.sh.
#   $1 what it is   $2 replace, or new   $3 the SQL that drops the restored database   $4 and $5 the SQL that drops and makes
#   the one it was loaded into   $6 asks for the tables in that   $7 asks whether the old tables' database is there
#   $8 the SQL that drops it   $9 asks for the moves   the rest: the client's arguments
there=$2 drop_restored=$3 drop=$4 make=$5 loaded=$6 kept=$7 drop_kept=$8 moves=$9
shift 9

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

if [ "$there" = new ]; then
    tell "$drop_restored" "$@"
elif [ -n "$(ask "$loaded" "$@")" ]; then
    # The tables never changed places.
    tell "$drop" "$@"
    tell "$drop_kept" "$@"
elif [ -n "$(ask "$kept" "$@")" ]; then
    tell "$drop" "$@"
    tell "$make" "$@"
    statement=$(ask "$moves" "$@" | paste -s -d , -)
    [ -z "$statement" ] || tell "RENAME TABLE $statement;" "$@"
    tell "$drop" "$@"
    tell "$drop_kept" "$@"
fi
