# Copies again what was written to the live tree since it was copied. Arguments: the live tree, the release, and the
# paths in them. The owner of the trees can exchange their directories for links meanwhile: none is entered. It follows
# enter.sh.
set -u
live=$1
release=$2
shift 2

# Goes down from where it is, a directory at a time.   $1 the directories   $2 make: those that are missing are made, and a
# link is replaced, since the live tree has a directory there by now
down() {
    rest=$1
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
        here=$(pwd -P)
        if [ "$2" = make ]; then
            [ ! -L "./$part" ] || rm -f -- "./$part"
            [ -d "./$part" ] || mkdir -- "./$part" || exit
        fi
        enter "${here%/}/$part"
    done
}

copy() {
    folder=
    case $1 in */*) folder=${1%/*} ;; esac
    name=${1##*/}
    enter "$live"
    # It may be gone again by now.
    [ -z "$folder" ] || [ -d "./$folder" ] || exit 0
    down "$folder" -
    [ -e "./$name" ] || [ -L "./$name" ] || exit 0
    exec 3<.
    enter "$release"
    down "$folder" make
    rm -f -- "./$name" && cp -a -- "/proc/self/fd/3/$name" "./$name"
}

for path in "$@"; do
    (copy "$path") || exit
done
