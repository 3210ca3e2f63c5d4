# Why systemd would refuse a unit whose files are not written yet: NAME FILE DIRECTORY..., those where its drop-ins are. On
# standard input what FILE and the drop-ins will hold, each behind a line with its size and its path. Says nothing where
# they hold that already.
new=$(mktemp -d) || exit 0
trap 'rm -rf "$new"' EXIT
name=$1 file=$2 same=yes named=
shift 2
while read -r size path; do
    directory=${path%/*}
    directory=$new/${directory##*/}
    copy=$directory/${path##*/}
    [ "$path" != "$file" ] || copy=$new/$name
    [ "$path" = "$file" ] || mkdir -p "$directory"
    dd bs=1 count="$size" of="$copy" 2>/dev/null
    cmp -s "$path" "$copy" || same=no
    named="s#$copy#$path#g;$named"
done
for directory do
    for path in "$directory"/*.conf; do
        copy=$new/${directory##*/}/${path##*/}
        [ -e "$path" ] && [ ! -e "$copy" ] || continue
        same=no
        mkdir -p "$new/${directory##*/}"
        ln -s /dev/null "$copy"
    done
done
[ "$same" = no ] || exit 0
said=$(systemd-analyze verify --man=no --recursive-errors=no "$new/$name" 2>&1)
status=$?
printf '%s\n' "$said" | sed "$named" >&2
exit "$status"
