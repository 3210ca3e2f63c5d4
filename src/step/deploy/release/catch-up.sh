# Copies again what was written to the live tree since it was copied. Arguments: the live tree, the release, and the
# paths in them.
set -u
live=$1
release=$2
shift 2
for path in "$@"; do
    # It may be gone again by now.
    [ -e "$live/$path" ] || [ -L "$live/$path" ] || continue
    folder=$(dirname "$release/$path")
    mkdir -p "$folder" && rm -f "$release/$path" && cp -a -- "$live/$path" "$release/$path" || exit
done
