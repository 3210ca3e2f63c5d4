# Puts what was in a place back there. It follows enter.sh and move.sh.
#   $1 the folder that the other was unpacked in   $2 its name there, or .   $3 the place   $4 what became of what was there
set -eu
stage=$1 inside=$2 target=$3 kept=$4
beside=${target%/*} new=./${stage##*/} place=./${target##*/} aside=./${kept##*/}
enter "${beside:-/}"
if [ -n "$kept" ] && there "$aside"; then
    remove_all "${new#./}.undone"
    if there "$place"; then move "$place" "$new.undone"; fi
    move "$aside" "$place"
    remove_all "${new#./}.undone"
elif ! there "$new/$inside"; then
    # Nothing was there before, and what was unpacked has gone to the place.
    remove_all "${place#./}"
fi
