# What nginx's processes and logs tell. $1 is the question, the rest what it is about:
#   workers PIDFILE                       the pids of the workers that serve; 3 when there is no master
#   reloaded PIDFILE WORKERS LOG SIZE …   waits until others than WORKERS serve; fails when they do not
#   complaints LOG SIZE …                 the errors that each LOG holds behind its first SIZE bytes
#   current PIDFILE FILE …                `current` when the workers are newer than every FILE, else `stale`
#   test COMMAND …                        runs it with its errors on standard output
#   lead PIDFILE DRAIN PROGRAM CONFIG LOG SIZE …
#                                         reloads, waits as `reloaded` does, then at most DRAIN seconds until the old workers
#                                         have answered what they had begun
#   back PIDFILE DRAIN PROGRAM CONFIG WORKERS
#                                         as `lead`, after files were put back; a configuration that is refused was never
#                                         taken up, and workers that are all among WORKERS have never left the old one
set -u

# A worker that is told to shut down says so in its title and finishes what it has.
workers() {
    children "$1" serving
}

# The workers of a master that are `serving`, or `leaving`.
children() {
    master=$(cat "$1" 2>/dev/null) && [ -n "$master" ] && [ -d "/proc/$master" ] || return 3
    children=$(cat "/proc/$master/task/$master/children" 2>/dev/null) ||
        children=$(ps -o pid= --ppid "$master") || return 3
    for child in $children; do
        case $2.$({ tr '\0' ' ' <"/proc/$child/cmdline"; } 2>/dev/null) in
            leaving.*'worker process is shutting down'*) echo "$child" ;;
            serving.*'worker process is shutting down'* | leaving.*) ;;
            serving.*'worker process'*) echo "$child" ;;
        esac
    done
}

short() { sleep 0.1 2>/dev/null || sleep 1; }

complaints() {
    while [ $# -ge 2 ]; do
        tail -c "+$(($2 + 1))" "$1" 2>/dev/null |
            grep -e '\[emerg\]' -e '\[alert\]' -e '\[crit\]' -e '\[error\]'
        shift 2
    done
    return 0
}

# nginx tries a port that is taken five times within 3 s before it gives up; 20 s leave room for a busy host.
reloaded() {
    pidfile=$1 before=$2
    shift 2
    end=$(($(date +%s) + 20))
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
        short
    done
    echo "nginx continues with its old configuration: no new workers took over from $before" >&2
    return 1
}

called() {
    if [ -n "$config" ]; then "$program" -c "$config" "$@"; else "$program" "$@"; fi
}

lead() {
    pids=$1 drain=$2 program=$3 config=$4
    shift 4
    now=$(workers "$pids") || { echo "nginx does not run" >&2; return 1; }
    # shellcheck disable=SC2086  # One line of words is wanted.
    now=$(echo $now)
    called -s reload || return 1
    reloaded "$pids" "$now" "$@" || return 1
    end=$(($(date +%s) + drain))
    while [ -n "$(children "$pids" leaving)" ] && [ "$(date +%s)" -lt "$end" ]; do short; done
    return 0
}

back() {
    pids=$1 drain=$2 program=$3 config=$4 known=$5
    called -t -q 2>/dev/null || return 0
    lead "$pids" "$drain" "$program" "$config" && return 0
    for worker in $(workers "$pids"); do
        case " $known " in *" $worker "*) ;; *) return 1 ;; esac
    done
    return 0
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
