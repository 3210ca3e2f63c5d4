# What the controller does to a host that it reaches only through sh: reads requests, answers each, until the pipe ends.
#
# A request is a line: its number, a verb, and words. A word beginning with `=` is decoded here (octal escapes, as
# `printf %b` reads them), so that a value never becomes shell text; one beginning with `%` is decoded later. Bytes of
# files follow their line raw. Nothing is sent after a request before its answer, so what reads stdin may read ahead.
#
# An answer is parts, each ended by a line of the nonce, the request's number and `.`; the last part is what went to
# standard error, ended by a line with the verb's status in place of `.`.

nonce=$windlass_end
unset windlass_end windlass_break windlass_script windlass_line
unset number verb decoded count scratch pipes unfinished errors status kept limit user uid su_words folder input variables
unset LANG LANGUAGE LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES LC_PAPER LC_NAME LC_ADDRESS \
    LC_TELEPHONE LC_MEASUREMENT LC_IDENTIFICATION CDPATH ENV BASH_ENV MAIL OLDPWD POSIXLY_CORRECT \
    SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_ORIGINAL_COMMAND SSH_AUTH_SOCK
export LC_ALL=C
for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    case :$PATH: in
        *:"$folder":*) ;;
        *) PATH=${PATH:+$PATH:}$folder ;;
    esac
done
export PATH
set -f
cd /

has() { command -v "$1" >/dev/null 2>&1; }

# The statuses that the controller knows; any other is explained by the text on standard error.
wrong_kind=90 too_large=91 no_means=92 held=93

exact_move=
case $(mv --help 2>&1) in *-T*) exact_move=-T ;; esac
# Found before a command's own PATH can hide them.
session=$(command -v setsid)
runuser=$(command -v runuser)
su=$(command -v su)
own_uid=$(id -u)
next_lock=9

# --- answers ---

mark() { printf '\n%s %s %s\n' "$nonce" "$number" "$1"; }

decode() {
    decoded=${1#=}
    case $decoded in
        *\\*)
            decoded=$(printf '%b.' "$decoded")
            decoded=${decoded%.}
            ;;
    esac
}

# The first bytes of standard input, as many as said.
take() {
    if [ "$take_with" = head ]; then head -c "$1"; else dd bs=1 count="$1" 2>/dev/null; fi
}
take_with='dd'
if [ "$(printf abc | head -c 2 2>/dev/null)" = ab ]; then take_with='head'; fi

# --- looking ---

do_stat() {
    ls -ldn "$1" || return
    mark .
    [ ! -L "$1" ] || readlink "$1"
}

# Fails with the system's own words when there is nothing, since only opening tells why.
expect_file() {
    [ -f "$1" ] && return
    [ ! -e "$1" ] || return "$wrong_kind"
    cat "$1" >/dev/null
    return 1
}

size_of() {
    line=$(ls -ldnL "$1") || return
    IFS=' '
    set -- $line
    size=$5
}

do_read() {
    expect_file "$1" || return
    size_of "$1" || return
    [ "$size" -le "$2" ] || return "$too_large"
    cat "$1"
}

do_read_at() {
    expect_file "$1" || return
    dd if="$1" bs=4096 skip="$2" count="$3" 2>/dev/null
}

do_list() {
    ls "$1/" >/dev/null || return
    cd "$1" || return
    set +f
    for name in * .*; do
        case $name in .|..) continue ;; esac
        if [ -e "./$name" ] || [ -L "./$name" ]; then printf '%s\0' "$name"; fi
    done
}

do_digest() {
    expect_file "$1" || return
    if has sha256sum; then
        sha256sum <"$1"
    elif has openssl; then
        openssl dgst -sha256 <"$1"
    else
        return "$no_means"
    fi
}

# --- changing ---

sync_path() { sync "$1" 2>/dev/null || sync; }

create() { (set -C; umask 077; : >"$1"); }

# Owner and group, each empty to leave it. Who is not root may only ask for what is already so.
own() {
    line=$(ls -ldn "$1") || return
    IFS=' '
    set -- "$1" "$2" "$3" $line
    if [ "${2:-$6}" != "$6" ] || [ "${3:-$7}" != "$7" ]; then
        chown -h "${2:-$6}:${3:-$7}" "$1"
    fi
}

# Owner first: changing it clears the set-user-id bit.
do_set_meta() {
    own "$1" "$3" "$4" || return
    [ -n "$2" ] || return 0
    if [ -L "$1" ]; then
        echo 'a symbolic link has no mode of its own' >&2
        return 1
    fi
    chmod "$2" "$1"
}

# A new file, whole, in place of an old one: attributes, mode and owner, then durable, then renamed.
# new name, name, mode, owner, group
settle() {
    if [ -f "$2" ] && cp --attributes-only --preserve=all "$2" "$1" 2>/dev/null; then touch "$1"; fi
    do_set_meta "$1" "$3" "$4" "$5" && sync_path "$1" && mv -f $exact_move "$1" "$2" && sync_path .
}

# folder, new name, name, mode, owner, group, first|more, last|more, bytes so far, bytes here; then the bytes
do_write() {
    take "${10}" | {
        put "$@"
        status=$?
        cat >/dev/null
        exit "$status"
    }
}

put() {
    cd "$1" || return
    if [ "$7" = first ]; then create "./$2" || return; fi
    if cat >>"./$2" && whole "./$2" "$9" && { [ "$8" = more ] || settle "./$2" "./$3" "$4" "$5" "$6"; }; then
        return
    fi
    rm -f "./$2"
    return 1
}

# A pipe that breaks looks like an end: only the size tells whether everything has arrived.
whole() {
    size_of "$1" || return
    [ "$size" = "$2" ] && return
    echo 'some of its bytes did not arrive' >&2
    return 1
}

# from, folder, new name, name
do_copy() {
    expect_file "$1" || return
    cd "$2" && create "./$3" || return
    if cat "$1" >>"./$3" && settle "./$3" "./$4" 600 '' ''; then return; fi
    rm -f "./$3"
    return 1
}

# folder, name, mode, owner, group, new|old
do_make_dir() {
    if [ "$6" = old ]; then
        do_set_meta "${1%/}/$2" "$3" "$4" "$5"
        return
    fi
    mkdir -m 700 "${1%/}/$2" || return
    cd "$1" && do_set_meta "./$2" "$3" "$4" "$5" && sync_path .
}

# folder, new name, name, target
do_link() {
    cd "$1" || return
    if [ -d "./$3" ] && [ ! -L "./$3" ]; then
        echo 'is a directory' >&2
        return 1
    fi
    ln -s -- "$4" "./$2" || return
    # Without an exact move, a link to a directory would be entered and not replaced.
    [ -n "$exact_move" ] || [ ! -L "./$3" ] || rm -f "./$3"
    if mv -f $exact_move "./$2" "./$3"; then
        sync_path .
        return
    fi
    rm -f "./$2"
    return 1
}

do_remove() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        rmdir "$1" || return
    else
        rm -f "$1" || return
    fi
    folder=${1%/*}/
    [ ! -d "$folder" ] || sync_path "$folder"
}

# path, bytes here; then the bytes
do_append() {
    take "$2" | {
        add "$@"
        status=$?
        cat >/dev/null
        exit "$status"
    }
}

# What was added only in part is taken back, so that the next line does not begin in the middle of it.
add() {
    is_new=
    if [ ! -e "$1" ]; then
        create "$1" || return
        is_new=yes
    fi
    size_of "$1" || return
    before=$size
    if cat >>"$1" && whole "$1" "$((before + $2))"; then
        sync_path "$1"
        [ -z "$is_new" ] || sync_path "${1%/*}/"
        return
    fi
    dd if=/dev/null of="$1" bs=1 seek="$before" count=0 2>/dev/null
    return 1
}

# --- locks ---

# path, holder. Runs in this shell and no subshell: the lock lives as long as its descriptor.
lock() {
    errors=$(umask 077; { : >>"$1"; } 2>&1) || return
    if has flock; then lock_open "$@"; else lock_by_name "$1.sh" "$2"; fi
}

lock_open() {
    eval "exec $next_lock<>\"\$1\""
    if flock -n "$next_lock"; then
        printf %s "$2" >"$1"
        next_lock=$((next_lock - 1))
        return
    fi
    eval "exec $next_lock>&-"
    head -c 4096 "$1" >&3
    return "$held"
}

# Without flock the lock is a file that appears whole, naming the process that has it and the boot it runs in.
lock_by_name() {
    me="$$ $(boot)"
    printf '%s\n%s' "$me" "$2" >"$1.$$" || return
    for try in 1 2 3; do
        if ln "$1.$$" "$1" 2>/dev/null; then
            rm -f "$1.$$"
            return
        fi
        IFS= read -r owner <"$1" && lives $owner && break
        break_lock "$1" "$owner" || break
    done
    rm -f "$1.$$"
    tail -n +2 "$1" >&3
    return "$held"
}

boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }

lives() {
    [ "$2" = "$(boot)" ] || return
    kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]
}

# Only one may break a lock at a time, and only if it is still the one that was found dead.
break_lock() {
    mkdir "$1.break" 2>/dev/null || return
    IFS= read -r again <"$1"
    [ "$again" != "$2" ] || rm -f "$1"
    rmdir "$1.break"
}

# --- processes ---

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

# number of variables, variables, words. Becomes the command.
become_command() {
    count=$1
    shift
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

# kept, limit in seconds, user, its number, words for su, folder, stdin, number of variables, variables, words
do_run() {
    kept=$1 limit=$2 user=$3 uid=$4 su_words=$5 folder=$6 input=${7#%}
    shift 7
    exec 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
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

# --- the loop ---

clean_up() {
    if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
    if [ -n "$unfinished" ]; then rm -f "$unfinished"; fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM


exec 3>&1
IFS=' '
while IFS= read -r request; do
    IFS=' '
    set -- $request
    number=$1 verb=$2
    shift 2
    count=$#
    while [ "$count" -gt 0 ]; do
        case $1 in
            =*) decode "$1" ;;
            *) decoded=$1 ;;
        esac
        shift
        set -- "$@" "$decoded"
        count=$((count - 1))
    done
    case $verb in
        # These two change what this shell itself holds, so they cannot run in a subshell.
        lock) lock "$@" 2>/dev/null; status=$? ;;
        run) find_scratch 2>/dev/null; errors=$("do_$verb" "$@" 2>&1 >&3); status=$? ;;
        write) unfinished=$1/$2; errors=$("do_$verb" "$@" 2>&1 >&3); status=$?; [ "$8" = more ] || unfinished= ;;
        *) errors=$("do_$verb" "$@" 2>&1 >&3); status=$? ;;
    esac
    mark .
    printf %s "$errors"
    mark "$status"
done
