# Locks that end with this shell.

# path, holder. Runs in this shell and no subshell: the lock lives as long as its descriptor.
lock() {
    errors=$(umask 077; { : >>"$1"; } 2>&1) || return
    if has flock; then lock_open "$@"; else lock_by_name "$1.sh" "$2"; fi
}

lock_open() {
    eval "exec $next_lock<>\"\$1\""
    if flock -n "$next_lock"; then
        # Written over the old text and not emptied first: a loser of the race must find a name in the first line.
        printf '%s\n%s %s\n' "$2" "$$" "$(started)" 1<>"$1"
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
    (umask 077; printf '%s\n%s' "$me" "$2" >"$1.$$") || return
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

# When this shell started, in the clock ticks of its host: with its number, that names it for good.
started() {
    IFS= read -r line <"/proc/$$/stat" || return
    IFS=' '
    set -- ${line##*) }
    echo "${20}"
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
