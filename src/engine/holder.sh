# Prints the state of the process that holds the host's lock, as its letter in /proc, or `gone`; ends it when asked to.
# Arguments: its number, when it started (empty: not known), `look` or `end`.
IFS= read -r line 2>/dev/null <"/proc/$1/stat" || { echo gone; exit; }
pid=$1 started=$2 what=$3
set -- ${line##*) }
[ "${started:-${20}}" = "${20}" ] || { echo gone; exit; }
echo "$1"
[ "$what" = look ] || kill -KILL "$pid"
