# Writes a whole database to standard output. It follows client.sh.
#   $1 what it is   $2 custom or plain   the rest: where the database is, as its dump program takes it
format=$2
shift 2
case $kind in
    postgres) pg_dump --no-password --lock-wait-timeout=60s --format="$format" --compress=0 "$@" ;;
    mysql)
        with_options "$(named mariadb-dump mysqldump)" --single-transaction --quick --routines --events --triggers \
            --hex-blob --no-tablespaces --default-character-set=utf8mb4 "$@"
        ;;
esac
