# Looks at files and changes nothing.

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
