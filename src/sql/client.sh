# Makes `client` run a database's own client. What runs on a host or in a container begins with this text.
#   $1 postgres or mysql   $2 password or none   the rest is the task's
# A password is the first line of standard input. It is put into a file that has no name any more: neither arguments,
# nor environment, nor a folder ever show it.
set -eu
kind=$1 password=$2
shift 2
export PGCONNECT_TIMEOUT=10 PGCLIENTENCODING=UTF8 PGAPPNAME=windlass LC_ALL=C

nameless() {
    file=$(umask 077 && mktemp "${TMPDIR:-/tmp}/windlass.XXXXXX" || mktemp /dev/shm/windlass.XXXXXX)
    exec 3<>"$file"
    rm -f "$file"
}

if [ "$password" = password ]; then
    IFS= read -r line
    nameless
    case $kind in
        postgres) printf '%s\n' "$line" >&3 && export PGPASSFILE=/proc/self/fd/3 ;;
        mysql) printf '[client]\n%s\n' "$line" >&3 ;;
    esac
    unset line
fi

# The client's name: MariaDB's newer images have no `mysql`, MySQL's no `mariadb`.
named() {
    if command -v "$1" >/dev/null 2>&1; then echo "$1"; else echo "$2"; fi
}

client() {
    case $kind in
        postgres) psql --no-psqlrc --quiet --no-password --set=ON_ERROR_STOP=1 --set=VERBOSITY=verbose --file=- "$@" ;;
        mysql) with_options "$(named mariadb mysql)" --batch --unbuffered --binary-mode --connect-timeout=10 --default-character-set=utf8mb4 "$@" ;;
    esac
}

# The file of options must come first.
with_options() {
    program=$1
    shift
    if [ "$password" = password ]; then "$program" --defaults-extra-file=/proc/self/fd/3 "$@"; else "$program" "$@"; fi
}
