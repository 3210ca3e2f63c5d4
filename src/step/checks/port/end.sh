# Ends one orphaned docker-proxy, and no other process: PID must still be what was proved to be one, with the same START
# time and command LINE (its words end with \037), and no dockerd may be its parent. Waits until it is gone.
#
#   end.sh PID START LINE
LC_ALL=C
export LC_ALL
pid=$1 start=$2 line=$3

# 0 while the process is still the one that was looked at.
same() {
    read -r stat 2>/dev/null <"/proc/$pid/stat" || return 1
    # shellcheck disable=SC2086 # What follows the name are numbers.
    set -- ${stat##*\) }
    [ "$1" != Z ] && [ "${20}" = "$start" ] || return 1
    parent=
    read -r parent 2>/dev/null <"/proc/$2/comm"
    [ "$parent" != dockerd ] && [ "$(tr '\000\n\t' '\037  ' 2>/dev/null <"/proc/$pid/cmdline")" = "$line" ]
}

# 0 once it is gone, within five seconds: a docker-proxy has nothing to finish.
gone() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        same || return 0
        sleep 0.5 2>/dev/null || sleep 1
    done
    return 1
}

if ! same; then
    echo "process $pid is not the orphan any more that was looked at, so nothing is done" >&2
    exit 0
fi
kill -TERM "$pid" && gone && exit 0
same && kill -KILL "$pid" && gone && exit 0
echo "process $pid does not end" >&2
exit 1
