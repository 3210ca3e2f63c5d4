# Copies a tree into the directory that was entered, which is ours, as a new directory there. Nothing is read through a link
# that another user puts into the tree meanwhile. It follows enter.sh.
#   $1 the tree   $2 the name of the copy
copy_tree() {
    remove_all "$2" && mkdir -m 700 -- "./$2" || return
    exec 3<.
    into=/proc/self/fd/3/$2
    (
        enter "$1"
        if no_one_else_can_change_it; then
            copy_by_name
        elif tar --version 2>/dev/null | grep -q 'GNU tar'; then
            copy_by_tar
        else
            copy_inside . && like . "$into"
        fi
    )
}

# Whether every directory of the tree belongs to us or to root.
no_one_else_can_change_it() {
    [ -z "$(find . -type d ! -user 0 ! -user "$(id -u)" -print | head -n 1)" ]
}

# What can share its blocks with the original shares them; hard links would let the new release write into the old one.
copy_by_name() {
    cp -a --reflink=auto -- . "$into" 2>/dev/null || cp -a -- . "$into"
}

# GNU tar opens each directory by the one above it, and follows no link. Its status 1 is that a file changed while it was
# read, as those of an app that runs do: what is written meanwhile is copied again later.
copy_by_tar() {
    failed=$({
        { tar --create --file=- --format=posix --numeric-owner --acls --xattrs --xattrs-include='*' . ||
            [ $? -eq 1 ] || echo read >&4; } |
            tar --extract --file=- --directory="$into" --preserve-permissions --numeric-owner --same-owner --acls --xattrs \
                --xattrs-include='*' --delay-directory-restore >&2 || echo write >&4
    } 4>&1)
    [ -z "$failed" ]
}

# Each directory is entered, and each file is read by what was opened.   $1 where this directory is in the tree
copy_inside() {
    for name in * .*; do
        case $name in . | ..) continue ;; esac
        copy_one "$1" "$name" || return
    done
}

# $1 where this directory is in the tree   $2 a name in it
copy_one() {
    if [ -L "./$2" ]; then
        copy_link "$2" "$into/$1/$2"
    elif [ -d "./$2" ]; then
        mkdir -m 700 -- "$into/$1/$2" &&
            (here=$(pwd -P) && enter "${here%/}/$2" && copy_inside "$1/$2" && like . "$into/$1/$2")
    elif [ -f "./$2" ]; then
        copy_file "$2" "$into/$1/$2"
    elif [ -e "./$2" ]; then
        echo "windlass: $(pwd -P)/$2 is a device, socket or pipe, and is not copied" >&2
    fi
}

copy_link() {
    target=$(readlink -- "./$1" && echo .) && ln -s -- "${target%
.}" "$2" && chown -h "$(stat -c %u:%g -- "./$1")" "$2"
}

copy_file() {
    exec 5<"./$1" || return
    set -- "$1" "$2" "$(stat -c '%d:%i:%F' -- "./$1")" "$(stat -L -c '%d:%i:%F' /proc/self/fd/5)"
    if [ "$3" != "$4" ]; then
        echo "windlass: $(pwd -P)/$1 was replaced meanwhile" >&2
        return 1
    fi
    (umask 077 && cat <&5 >"$2") && like /proc/self/fd/5 "$2"
}

# Gives a copy its owner, mode and time. Owner first: a change of owner clears bits of the mode.   $1 the original   $2 the copy
like() {
    chown "$(stat -L -c %u:%g "$1")" "$2" && chmod "$(stat -L -c %a "$1")" "$2" && touch -d "@$(stat -L -c %Y "$1")" "$2"
}
