# Reads an archive of docker save and removes it. The image gets one name; those that the archive gives it mean
# afterwards what they meant before.
#   ARCHIVE ID NAME [TAG…]
set -u
archive=$1 id=$2 name=$3
shift 3
# Of an image that is not there Docker prints an empty line.
look() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null | grep .; }
before=
for tag; do before="$before $(look "$tag" || echo none)"; done
docker image load --quiet --input "$archive" || exit 1
# Where images have other ids than the archive says, one of its tags tells.
loaded=$(look "$id") || loaded=$(look "${1:-none}") || {
    echo "the archive was read, and there is no image $id" >&2
    exit 1
}
docker image tag "$loaded" "$name" || exit 1
for tag; do
    before=${before# }
    was=${before%% *}
    before=${before#"$was"}
    now=$(look "$tag") || continue
    [ "$now" = "$was" ] && continue
    case $was in
        none) docker image rm --no-prune "$tag" >/dev/null || exit 1 ;;
        *) docker image tag "$was" "$tag" || exit 1 ;;
    esac
done
rm -f "$archive"
