# Makes a swap file: its size in bytes, the directory, its name there. It is filled and formatted beside its place, so that
# what stands there is a swap file or nothing. Holes are not allowed in one, so where the space cannot be reserved at once
# zeros are written. It follows enter.sh.
set -eu
size=$1 directory=$2 name=$3 new=./$3.windlass
enter_ours "$directory"
umask 077
trap 'rm -f "$new"' EXIT
rm -f "$new"
: >"$new"
chattr +C "$new" 2>/dev/null || true
if ! fallocate -l "$size" "$new" 2>/dev/null; then
    dd if=/dev/zero of="$new" bs=4096 count=$((size / 4096)) 2>/dev/null || {
        echo "No space left for $size bytes beside $directory/$name" >&2
        exit 1
    }
fi
mkswap "$new" >/dev/null
mv -f "$new" "./$name"
