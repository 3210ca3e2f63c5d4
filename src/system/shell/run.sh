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
    echo 'no folder there can hold a pipe: /dev/shm, /run, /tmp and /var/tmp were tried' >&2
    return 1
}

# Keeps head, tail and length of what is written into the pipe $pipes/$1. `tee` is what holds the pipe: once it is
# killed, the others come to their ends.
listen() {
    mkfifo "$pipes/$1" "$pipes/$1.a" "$pipes/$1.b" "$pipes/$1.c" || return
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
    exec 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
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
    listen out && listen err || return
    if [ -n "$input" ]; then
        source=$pipes/in
        mkfifo "$source" || return
        { printf %b "$input"; } >"$source" 2>/dev/null 3>&- &
        ears="$ears $!"
    fi
    (become_command "$@") <"$source" >"$pipes/out" 2>"$pipes/err" 3>&- &
    attend "$!"
}

attend() {
    target=$1
    if [ -n "$session" ]; then target=-$1; fi
    watch=
    if [ "$limit" -gt 0 ]; then
        $session /bin/sh -c 'sleep "$1"; : >"$2"; kill -TERM "$3"; sleep 5; kill -KILL "$3"' \
            sh "$limit" "$pipes/late" "$target" </dev/null >/dev/null 2>&1 3>&- &
        watch=$!
    fi
    wait "$1" 2>/dev/null
    status=$?
    if [ -n "$watch" ]; then
        if [ -n "$session" ]; then kill -KILL "-$watch" 2>/dev/null; fi
        kill -KILL "$watch" 2>/dev/null
    fi
    if [ -e "$pipes/late" ]; then
        kill -KILL "$target" 2>/dev/null
        status=124
    fi
    tell
}

# A daemon that was left behind may hold the pipes for ever; it is listened to a moment longer.
tell() {
    { sleep 0.3 2>/dev/null || sleep 1; kill $ears; } </dev/null >/dev/null 2>&1 3>&- &
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
