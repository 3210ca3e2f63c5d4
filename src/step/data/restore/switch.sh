# Moves what was unpacked to its place, and what is there out of it; all of them are in one directory. It follows enter.sh
# and move.sh.
#   $1 the folder it was unpacked in   $2 its name there, or .   $3 its place   $4 what becomes of what is there; when that is
#   nothing, it must be an empty folder
set -eu
stage=$1 inside=$2 target=$3 kept=$4
beside=${target%/*} new=./${stage##*/} place=./${target##*/} aside=./${kept##*/}
enter "${beside:-/}"
if [ -z "$kept" ]; then
    rmdir -- "$place"
elif there "$aside"; then
    echo "windlass: $kept is there already" >&2
    exit 20
elif there "$place"; then
    move "$place" "$aside"
fi
put() {
    if [ "$inside" = . ]; then
        move "$new" "$place"
    else
        (enter "$stage" && [ -O . ] && move "./$inside" "../${target##*/}")
    fi
}
if ! put; then
    [ -z "$kept" ] || move "$aside" "$place"
    exit 20
fi
[ "$inside" = . ] || rmdir -- "$new"
