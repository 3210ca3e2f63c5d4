# Moves what was unpacked to its place, and what is there out of it.
#   $1 the folder it was unpacked in   $2 its name there, or .   $3 its place   $4 what becomes of what is there; when that is
#   nothing, it must be an empty folder
set -eu
stage=$1 inside=$2 target=$3 kept=$4
new=$stage/$inside
[ "$inside" != . ] || new=$stage
if [ -z "$kept" ]; then
    rmdir -- "$target"
elif [ -e "$kept" ] || [ -L "$kept" ]; then
    echo "windlass: $kept is there already" >&2
    exit 20
elif [ -e "$target" ] || [ -L "$target" ]; then
    mv -- "$target" "$kept"
fi
if ! mv -- "$new" "$target"; then
    [ -z "$kept" ] || mv -- "$kept" "$target"
    exit 20
fi
[ "$inside" = . ] || rmdir -- "$stage"
