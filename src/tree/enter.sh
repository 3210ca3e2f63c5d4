# Enters a directory by its path, in which there is no link: what another user puts in its place meanwhile is not entered,
# and names that are relative to it stay in it.
#   $1 the directory
enter() {
    cd -P -- "$1" || exit 20
    [ "$(pwd -P)" != "$1" ] || return 0
    echo "windlass: $1 leads to $(pwd -P) by now: another user can change what is on the way" >&2
    exit 20
}

# Enters a directory in which no other user may put anything.   $1 the directory
enter_ours() {
    enter "$1"
    [ ! -O . ] || return 0
    echo "windlass: $1 belongs to another user, who could put links there: make it yours (chown) or remove it" >&2
    exit 20
}

# Removes a tree of the directory that was entered, without leaving it. GNU rm holds the directories open in which it is;
# others go by name, and are not asked.   $1 its name
remove_all() {
    case $(rm --version 2>/dev/null) in
        *coreutils*) rm -rf -- "./$1" ;;
        *) remove_one "$1" ;;
    esac
}

remove_one() {
    if [ -L "./$1" ] || [ ! -d "./$1" ]; then
        rm -f -- "./$1"
        return
    fi
    (here=$(pwd -P) && enter "${here%/}/$1" && remove_inside) && rmdir -- "./$1"
}

remove_inside() {
    for name in * .*; do
        case $name in . | ..) continue ;; esac
        if [ -e "./$name" ] || [ -L "./$name" ]; then remove_one "$name" || return; fi
    done
}
