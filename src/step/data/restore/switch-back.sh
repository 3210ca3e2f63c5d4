# Puts what was in a place back there.
#   $1 the folder that the other was unpacked in   $2 its name there, or .   $3 the place   $4 what became of what was there
set -eu
stage=$1 inside=$2 target=$3 kept=$4
if [ -n "$kept" ] && { [ -e "$kept" ] || [ -L "$kept" ]; }; then
    aside=$stage.undone
    rm -rf -- "$aside"
    if [ -e "$target" ] || [ -L "$target" ]; then mv -- "$target" "$aside"; fi
    mv -- "$kept" "$target"
    rm -rf -- "$aside"
elif [ ! -e "$stage/$inside" ] && [ ! -L "$stage/$inside" ]; then
    # Nothing was there before, and what was unpacked has gone to the place.
    rm -rf -- "$target"
fi
