# Makes a swap file: size in bytes, path. It is filled and formatted beside its place, so that what stands there is a
# swap file or nothing. Holes are not allowed in one, so where the space cannot be reserved at once zeros are written.
set -eu
size=$1 path=$2
umask 077
trap 'rm -f "$path.windlass"' EXIT
rm -f "$path.windlass"
: >"$path.windlass"
chattr +C "$path.windlass" 2>/dev/null || true
if ! fallocate -l "$size" "$path.windlass" 2>/dev/null; then
    dd if=/dev/zero of="$path.windlass" bs=4096 count=$((size / 4096)) 2>/dev/null || {
        echo "No space left for $size bytes beside $path" >&2
        exit 1
    }
fi
mkswap "$path.windlass" >/dev/null
mv -f "$path.windlass" "$path"
