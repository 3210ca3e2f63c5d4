# Runs commands, in groups of their own where setsid is there, and listens to them.

# A folder for the pipes of commands; memory first, so that a full disk does not matter.
find_scratch() {
    [ -z "$scratch" ] || return 0
    for folder in /dev/shm /run "${TMPDIR:-/tmp}" /tmp /var/tmp "$HOME"; do
        if mkdir -m 700 "$folder/windlass-$nonce" 2>/dev/null; then
            scratch=$folder/windlass-$nonce
            if mkfifo "$scratch/try" 2>/dev/null && echo >"$scratch/room" 2>/dev/null; then return; fi
            rm -rf "$scratch"
            scratch=
        fi
    done
    echo 'no directory there can hold a pipe: /dev/shm, /run, /tmp and /var/tmp were tried' >&2
    return 1
}

# Keeps head, tail and length of what is written into the pipe $pipes/$1. `tee` is what holds the pipe: once it is
# killed, the others come to their ends.
listen() {
    mkfifo "$pipes/$1.a" "$pipes/$1.b" "$pipes/$1.c" || return
    { head -c "$kept" >"$pipes/$1.head"; cat >/dev/null; } <"$pipes/$1.a" 2>/dev/null 3>&- &
    listeners="$listeners $!"
    wc -c <"$pipes/$1.b" >"$pipes/$1.count" 2>/dev/null 3>&- &
    listeners="$listeners $!"
    tail -c "$kept" <"$pipes/$1.c" >"$pipes/$1.tail" 2>/dev/null 3>&- &
    listeners="$listeners $!"
    tee "$pipes/$1.a" "$pipes/$1.b" <"$pipes/$1" >"$pipes/$1.c" 2>/dev/null 3>&- &
    ears="$ears $!"
}

# How another user runs the words in WINDLASS_ARGV, where su takes only shell text: this text is always the same.
as_user='set -f; IFS=" "; set -- $WINDLASS_ARGV; unset WINDLASS_ARGV; count=$#
while [ "$count" -gt 0 ]; do
    word=$(printf "%b." "${1#=}"); shift; set -- "$@" "${word%.}"; count=$((count - 1))
done
exec "$@"'

# Ends a command and its time limit once the shell that reads requests is gone, and holds the host's lock until that is over.
# Standard input ends with that shell. Arguments, as kill takes them: the command, itself, and its time limit.
keep() {
    trap '' HUP INT TERM PIPE
    while read -r nothing; do :; done
    kill -KILL "$@"
    looks=0
    while [ "$looks" -lt 100 ] && kill -0 "$1"; do
        sleep 0.1 || sleep 1
        looks=$((looks + 1))
    done
    rm -rf "$scratch"
}

# Opened once, by the shell that reads requests: it closes when that shell ends, however that comes about.
open_life() {
    [ -z "$life" ] || return 0
    find_scratch && mkfifo "$scratch/life" && exec 4<>"$scratch/life" && life=$scratch/life
}

# The locale of the login. The names are constants, so that eval reads nothing of anyone else's.
restore_locale() {
    unset LC_ALL
    # A word for each name, although `set -f` keeps it from being anything but words.
    for variable in $locale; do
        eval "[ -z \"\$login_$variable\" ] || export $variable=\"\$login_$variable\""
    done
}

# whether as in a login, number of variables, variables, words. Becomes the command.
become_command() {
    [ "$1" != login ] || restore_locale
    count=$2
    shift 2
    [ -z "$user" ] || unset TMPDIR XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DOCKER_HOST
    while [ "$count" -gt 0 ]; do
        export "$1"
        shift
        count=$((count - 1))
    done
    if [ -z "$user" ]; then
        exec $session /bin/sh -c 'exec "$@"' sh "$@"
    elif [ -n "$runuser" ]; then
        exec $session "$runuser" -u "$user" -- "$@"
    else
        export WINDLASS_ARGV="$su_words"
        exec $session "$su" -s /bin/sh "$user" -c "$as_user"
    fi
}

# kept, limit in seconds, user, its number, words for su, folder (none: the home directory of the login), stdin, whether as
# in a login, number of variables, variables, words
do_run() {
    kept=$1 limit=$2 user=$3 uid=$4 su_words=$5 folder=$6 input=${7#%}
    shift 7
    if [ -z "$life" ]; then
        find_scratch && echo 'no pipe can be made there' >&2
        return 1
    fi
    exec 5<"$life" 4>&- 6>&- 7>&-
    if [ -z "$folder" ]; then
        folder=${HOME:-/}
        [ -d "$folder/." ] || folder=/
    fi
    ls -d "$folder/." >/dev/null && cd "$folder" || return
    find_scratch || return
    if [ "$uid" = "$own_uid" ]; then user=; fi
    if [ -n "$user" ] && [ "$own_uid" != 0 ]; then
        echo 'operation not permitted' >&2
        return 1
    fi
    pipes=$scratch/pipes
    rm -rf "$pipes" && mkdir "$pipes" || return
    listeners= ears= source=/dev/null
    mkfifo "$pipes/go" "$pipes/out" "$pipes/err" && exec 6<>"$pipes/go" || return
    if [ -n "$input" ]; then
        source=$pipes/in
        mkfifo "$source" || return
    fi
    # It starts once what would end it knows it.
    (IFS= read -r go <"$pipes/go" && become_command "$@") <"$source" >"$pipes/out" 2>"$pipes/err" 3>&- 5<&- 6>&- 8>&- 9>&- &
    command=$!
    watch_over "$command"
    exec 5<&- 8>&- 9>&-
    listen out && listen err || return
    if [ -n "$input" ]; then
        { printf %b "$input"; } >"$source" 2>/dev/null 3>&- &
        ears="$ears $!"
    fi
    echo >&6
    attend "$command"
}

# What ends the command when its time is up, and what ends both when no process waits for them any more.
watch_over() {
    target=$1
    if [ -n "$session" ]; then target=-$1; fi
    watch= watch_target=
    if [ "$limit" -gt 0 ]; then
        $session /bin/sh -c 'sleep "$1"; : >"$2"; kill -TERM "$3"; sleep 5; kill -KILL "$3"' \
            sh "$limit" "$pipes/late" "$target" </dev/null >/dev/null 2>&1 3>&- 5<&- 6>&- 8>&- 9>&- &
        watch=$!
        watch_target=$watch
        if [ -n "$session" ]; then watch_target=-$watch; fi
    fi
    keep "$target" "$1" $watch_target <&5 >/dev/null 2>&1 3>&- 6>&- &
    kept_by=$!
}

attend() {
    wait "$1" 2>/dev/null
    status=$?
    if [ -n "$watch" ]; then
        if [ -n "$session" ]; then kill -KILL "-$watch" 2>/dev/null; fi
        kill -KILL "$watch" 2>/dev/null
    fi
    kill -KILL "$kept_by" 2>/dev/null
    if [ -e "$pipes/late" ]; then
        kill -KILL "$target" 2>/dev/null
        status=124
    fi
    tell
}

# A daemon that was left behind may hold the pipes for ever; it is listened to a moment longer. What is killed before it has
# opened its pipes would leave those at the other end waiting for ever: the counts are there once all of them are open.
tell() {
    {
        until [ -e "$pipes/out.count" ] && [ -e "$pipes/err.count" ]; do sleep 0.05 || sleep 1; done
        sleep 0.3 || sleep 1
        kill $ears
    } </dev/null >/dev/null 2>&1 3>&- &
    patience=$!
    wait $listeners 2>/dev/null
    kill "$patience" $ears 2>/dev/null
    for stream in out err; do
        cat "$pipes/$stream.head"
        mark .
        cat "$pipes/$stream.tail"
        mark .
    done
    echo "$status" $(cat "$pipes/out.count") $(cat "$pipes/err.count")
    return 0
}
