# Changes files: whole, durable, or not at all.

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

# Two paths change places: by mv since coreutils 9.5, else by the system call, which perl can make and Debian always
# has; else by three renames.
do_exchange() {
    ls -d "$1" "$2" >/dev/null || return
    if mv --exchange -T "$1" "$2" 2>/dev/null || call_exchange "$1" "$2" || rename_thrice "$1" "$2"; then
        sync_path "${1%/*}/" && sync_path "${2%/*}/"
    fi
}

# renameat2 with RENAME_EXCHANGE, both paths absolute; its number is the machine's.
call_exchange() {
    case $(uname -m) in
        x86_64) call=316 ;;
        aarch64 | riscv64) call=276 ;;
        *) return 1 ;;
    esac
    perl -e 'exit(syscall($ARGV[0] + 0, -100, $ARGV[1], -100, $ARGV[2], 2) == 0 ? 0 : 1)' "$call" "$1" "$2" 2>/dev/null
}

rename_thrice() {
    aside=${2%/*}/.${2##*/}.windlass-$nonce
    mv $exact_move "$1" "$aside" || return
    if mv $exact_move "$2" "$1"; then
        mv $exact_move "$aside" "$2"
        return
    fi
    mv $exact_move "$aside" "$1"
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
