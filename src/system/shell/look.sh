# Looks at files and changes nothing.
#
# A directory is entered by a path that holds no link, so that what is done there by name stays there. A path with links is
# refused with $has_links: the controller walks it, and asks again for where it ends. A file that has more than one name is
# refused with $is_linked until the controller has looked who could have given it that name.

# Enters a directory. Where the shell is afterwards, not the name, decides what is worked.
enter() {
    if cd -P -- "$1" 2>/dev/null; then
        # The kernel's link to whatever process looks: no user can change it, and it never leads to the same name twice.
        [ "$PWD" = "$1" ] || [ "$1" = /proc/self ] || return "$has_links"
        return 0
    fi
    if ls -d "$1/." >/dev/null; then echo 'it cannot be entered' >&2; fi
    return 1
}

# Whether what descriptor 8 has open is the regular file of this name, and no link's target; sets size.
is_opened() {
    named=$(ls -ldin "./$1") || return
    opened=$named
    if [ -e /proc/self/fd/8 ]; then opened=$(ls -ldinL /proc/self/fd/8) || return; fi
    IFS=' '
    set -- $named -- $opened
    named="$1 $2"
    while [ "$1" != -- ]; do shift; done
    size=$7
    case $3 in -*) ;; *) return "$wrong_kind" ;; esac
    if [ "$named" != "$2 $3" ]; then
        echo 'it was replaced meanwhile' >&2
        return 1
    fi
    [ "$4" = 1 ] || [ -n "$links_are_fine" ] || return "$is_linked"
}

# Opens a regular file as descriptor 8.
open_file() {
    [ ! -L "./$1" ] || return "$has_links"
    expect_file "./$1" || return
    exec 8<"./$1" && is_opened "$1"
}

do_stat() {
    enter "$1" || return
    ls -ldn "./$2" || return
    mark .
    [ ! -L "./$2" ] || readlink "./$2"
}

do_runs_as() { printf %s "$own_uid"; }

# Fails with the system's own words when there is nothing, since only opening tells why.
expect_file() {
    [ -f "$1" ] && return
    [ ! -e "$1" ] || return "$wrong_kind"
    cat "$1" >/dev/null
    return 1
}

do_read() {
    enter "$1" && open_file "$2" || return
    [ "$size" -le "$3" ] || return "$too_large"
    cat <&8
}

do_read_at() {
    enter "$1" && open_file "$2" || return
    dd bs=4096 skip="$3" count="$4" <&8 2>/dev/null
}

do_list() {
    enter "$1" || return
    ls . >/dev/null || return
    set +f
    for name in * .*; do
        case $name in .|..) continue ;; esac
        if [ -e "./$name" ] || [ -L "./$name" ]; then printf '%s\0' "$name"; fi
    done
}

do_digest() {
    enter "$1" && open_file "$2" || return
    if has sha256sum; then
        sha256sum <&8
    elif has openssl; then
        openssl dgst -sha256 <&8
    else
        return "$no_means"
    fi
}
