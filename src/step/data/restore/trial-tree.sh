# Unpacks a tar from standard input into a folder that is removed again, and compares all files with what they were.
#   $1 the folder   $2 the digest of the sorted digests of all files; nothing when it is not known
set -eu
stage=$1 wanted=$2
trap 'rm -rf -- "$stage"' EXIT
trap 'exit 143' HUP INT TERM
rm -rf -- "$stage"
mkdir -m 700 -- "$stage"
if tar --version 2>/dev/null | grep -q 'GNU tar'; then
    tar --extract --file=- --directory="$stage" --preserve-permissions --numeric-owner
else
    tar -x -p -f - -C "$stage"
fi
cat >/dev/null
found=$(find "$stage" -type f -exec sha256sum -- {} + | sed 's/^\\//' | cut -c 1-64 | grep -E '^[0-9a-f]{64}$' |
    LC_ALL=C sort | sha256sum | cut -c 1-64)
if [ -n "$wanted" ] && [ "$found" != "$wanted" ]; then
    echo "windlass: the files that it holds are not those that were backed up" >&2
    exit 20
fi
exit 10
