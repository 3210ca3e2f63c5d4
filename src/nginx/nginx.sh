# What nginx's processes and logs tell. $1 is the question, the rest what it is about:
#   workers PIDFILE                       the pids of the workers that serve; 3 when there is no master
#   reloaded PIDFILE WORKERS LOG SIZE …   waits until others than WORKERS serve; fails when they do not
#   complaints LOG SIZE …                 the errors that each LOG holds behind its first SIZE bytes
#   current PIDFILE FILE …                `current` when the workers are newer than every FILE, else `stale`
#   test COMMAND …                        runs it with its errors on standard output
set -u

# A worker that is told to shut down says so in its title and finishes what it has.
workers() {
    master=$(cat "$1" 2>/dev/null) && [ -n "$master" ] && [ -d "/proc/$master" ] || return 3
    children=$(cat "/proc/$master/task/$master/children" 2>/dev/null) ||
        children=$(ps -o pid= --ppid "$master") || return 3
    for child in $children; do
        case $({ tr '\0' ' ' <"/proc/$child/cmdline"; } 2>/dev/null) in
            *'worker process is shutting down'*) ;;
            *'worker process'*) echo "$child" ;;
        esac
    done
}

complaints() {
    while [ $# -ge 2 ]; do
        tail -c "+$(($2 + 1))" "$1" 2>/dev/null |
            grep -e '\[emerg\]' -e '\[alert\]' -e '\[crit\]' -e '\[error\]'
        shift 2
    done
    return 0
}

# nginx tries a port that is taken five times within 3 s before it gives up; 10 s leave room for a busy host.
reloaded() {
    pidfile=$1 before=$2
    shift 2
    end=$(($(date +%s) + 10))
    while :; do
        fresh='' old=''
        for worker in $(workers "$pidfile"); do
            case " $before " in
                *" $worker "*) old="$old $worker" ;;
                *) fresh="$fresh $worker" ;;
            esac
        done
        [ -n "$fresh" ] && [ -z "$old" ] && return 0
        complaints "$@" | grep -e '\[emerg\]' | grep -v 'bind() to' >/dev/null && break
        [ "$(date +%s)" -lt "$end" ] || break
        sleep 0.1 2>/dev/null || sleep 1
    done
    echo "nginx goes on with its old configuration: no new workers took over from $before" >&2
    return 1
}

# When a process was started, in seconds since 1970: the 22nd field of its stat, the 20th behind its name.
started() {
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    set -- ${stat##*) }
    shift 19
    echo $(($(sed -n 's/^btime //p' /proc/stat) + $1 / $(getconf CLK_TCK 2>/dev/null || echo 100)))
}

# The time of boot is known to a second only, so a file counts as newer from 2 s on.
current() {
    list=$(workers "$1") || return 3
    shift
    oldest=''
    for worker in $list; do
        start=$(started "$worker") || continue
        [ -n "$oldest" ] && [ "$oldest" -le "$start" ] || oldest=$start
    done
    for file; do
        changed=$(stat -c %Y "$file" 2>/dev/null) || continue
        if [ "$changed" -gt $((${oldest:-0} + 2)) ]; then
            echo stale
            return 0
        fi
    done
    echo current
}

question=$1
shift
case $question in
    test) exec "$@" 2>&1 ;;
    *) "$question" "$@" ;;
esac
