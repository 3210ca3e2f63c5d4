# Changes files: whole, durable, or not at all.

# Makes a path durable. A sync that cannot open it, or takes no paths, is followed by one of everything, which never says
# that a disk took nothing. So what the first one says of the disk is a failure.
sync_path() {
    sync_words=$(sync "$1" 2>&1) && return
    case $sync_words in
        *nput/output\ error* | *I/O\ error* | *o\ space\ left* | *uota\ exceeded* | *ead-only\ file\ system*)
            printf '%s\n' "$sync_words" >&2
            return 1
            ;;
    esac
    sync
}

create() { (set -C; umask 077; : >"$1"); }

# Owner and group of a path, or of what a descriptor has open; each empty to leave it. Who is not root may only ask for
# what is already so.
own() {
    case $1 in /proc/self/fd/*) through=-L ;; *) through= ;; esac
    line=$(ls -ldn $through "$1") || return
    IFS=' '
    set -- "$1" "$2" "$3" $line
    if [ "${2:-$6}" = "$6" ] && [ "${3:-$7}" = "$7" ]; then return; fi
    if [ -n "$through" ]; then chown "${2:-$6}:${3:-$7}" "$1"; else chown -h "${2:-$6}:${3:-$7}" "$1"; fi
}

# path or descriptor, mode, owner, group. Owner first: changing it clears the set-user-id bit.
set_meta() {
    own "$1" "$3" "$4" && { [ -z "$2" ] || chmod "$2" "$1"; }
}

# What descriptor 8 has open, by a path that no other user can exchange; else its name.
opened_path() {
    if [ -e /proc/self/fd/8 ]; then echo /proc/self/fd/8; else echo "./$1"; fi
}

# directory, name, mode, owner, group
do_set_meta() {
    enter "$1" && set_meta_here "$2" "$3" "$4" "$5"
}

set_meta_here() {
    if [ -L "./$1" ]; then
        own "./$1" "$3" "$4" || return
        [ -n "$2" ] || return 0
        echo 'a symbolic link has no mode of its own' >&2
        return 1
    fi
    if [ "$1" = . ]; then
        set_meta . "$2" "$3" "$4"
    elif [ -d "./$1" ]; then
        enter "${PWD%/}/$1" && set_meta . "$2" "$3" "$4"
    elif [ -f "./$1" ] && [ "$own_uid" = 0 ]; then
        open_file "$1" && set_meta "$(opened_path "$1")" "$2" "$3" "$4"
    else
        set_meta "./$1" "$2" "$3" "$4"
    fi
}

# The new file that descriptor 8 has open, whole, in place of an old one: attributes, mode and owner, then durable, then
# renamed. new name, name, mode, owner, group
settle() {
    new=$(opened_path "$1")
    if [ -f "./$2" ] && [ ! -L "./$2" ] && cp --attributes-only --preserve=all "./$2" "$new" 2>/dev/null; then
        touch "$new"
    fi
    set_meta "$new" "$3" "$4" "$5" && sync_path "$new" && mv -f $exact_move "./$1" "./$2" && sync_path .
}

# An old file with more than one name is not replaced before the controller has looked whose it is.
refuse_linked() {
    [ -f "./$1" ] && [ -z "$links_are_fine" ] || return 0
    line=$(ls -ldn "./$1") || return
    IFS=' '
    set -- $line
    [ "$2" = 1 ] || return "$is_linked"
}

# directory, name
do_names() { enter "$1" && refuse_linked "$2"; }

# directory, new name, name, mode, owner, group, first|more, last|more, bytes so far, bytes here; then the bytes
do_write() {
    take "${10}" | {
        put "$@"
        status=$?
        cat >/dev/null
        exit "$status"
    }
}

put() {
    enter "$1" && refuse_linked "$3" || return
    if [ "$7" = first ]; then create "./$2" || return; fi
    if fill "$@" 8>>"./$2"; then return; fi
    rm -f "./$2"
    return 1
}

fill() {
    is_new "$2" && cat >&8 && whole "$2" "$9" && { [ "$8" = more ] || settle "$2" "$3" "$4" "$5" "$6"; }
}

# Whether descriptor 8 has the file open that was made here, under its only name.
is_new() { links_are_fine= is_opened "$1"; }

# A pipe that breaks looks like an end: only the size tells whether everything has arrived.
whole() {
    is_opened "$1" || return
    [ "$size" = "$2" ] && return
    echo 'some of its bytes did not arrive' >&2
    return 1
}

# directory, name, directory of the copy, new name, name
do_copy() {
    enter "$1" && open_file "$2" || return
    exec 7<&8
    enter "$3" && create "./$4" || return
    exec 8>>"./$4"
    if is_new "$4" && cat <&7 >&8 && settle "$4" "$5" 600 '' ''; then return; fi
    rm -f "./$4"
    return 1
}

# directory, name, mode, owner, group, new|old
do_make_dir() {
    enter "$1" || return
    if [ "$6" = old ]; then
        set_meta_here "$2" "$3" "$4" "$5"
        return
    fi
    mkdir -m 700 "./$2" || return
    (set_meta_here "$2" "$3" "$4" "$5") && sync_path .
}

# directory, new name, name, target
do_link() {
    enter "$1" || return
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
# directory, name, directory, name
do_exchange() {
    enter "$3" && exec 7<. || return
    enter "$1" || return
    other=$3
    if [ -e /proc/self/fd/7/. ]; then other=/proc/self/fd/7; fi
    set -- "./$2" "${other%/}/$4"
    ls -d "$1" "$2" >/dev/null || return
    if mv --exchange -T "$1" "$2" 2>/dev/null || call_exchange "$1" "$2" || rename_thrice "$1" "$2"; then
        sync_path . && sync_path "${2%/*}/"
    fi
}

# renameat2 with RENAME_EXCHANGE; its number is the machine's.
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

# directory, name
do_remove() {
    enter "$1" || return
    if [ -d "./$2" ] && [ ! -L "./$2" ]; then rmdir "./$2"; else rm -f "./$2"; fi && sync_path .
}

# directory, name. GNU rm holds the directories open in which it is; others go by name, and are not asked.
do_remove_all() {
    enter "$1" || return
    case $(rm --version 2>/dev/null) in
        *coreutils*) rm -rf "./$2" ;;
        *) remove_all "$2" ;;
    esac && sync_path .
}

remove_all() {
    if [ -L "./$1" ] || [ ! -d "./$1" ]; then
        rm -f "./$1"
        return
    fi
    (enter "${PWD%/}/$1" && remove_inside) && rmdir "./$1"
}

remove_inside() {
    set +f
    for name in * .*; do
        case $name in .|..) continue ;; esac
        if [ -e "./$name" ] || [ -L "./$name" ]; then remove_all "$name" || return; fi
    done
}

# directory, name, bytes here; then the bytes
do_append() {
    take "$3" | {
        add "$@"
        status=$?
        cat >/dev/null
        exit "$status"
    }
}

# What was added only in part is taken off again, so that the next line does not start in the middle of it.
add() {
    enter "$1" || return
    [ ! -L "./$2" ] || return "$has_links"
    is_new_file=
    if [ ! -e "./$2" ]; then
        create "./$2" || return
        is_new_file=yes
    fi
    add_opened "$@" 8>>"./$2"
}

add_opened() {
    is_opened "$2" || return
    before=$size
    if cat >&8 && whole "$2" "$((before + $3))"; then
        sync_path "$(opened_path "$2")"
        [ -z "$is_new_file" ] || sync_path .
        return
    fi
    dd if=/dev/null of="$(opened_path "$2")" bs=1 seek="$before" count=0 2>/dev/null
    return 1
}
