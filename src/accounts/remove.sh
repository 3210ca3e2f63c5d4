# Undoes what made a user or group: FILE NAME PROGRAM. Nothing is to be done when it was never made. The processes of
# windlass's own login as that user are no obstacle, nor is the user's own systemd; those of others are.
grep -q "^$2:" "$1" || exit 0
[ "$3" = userdel ] || exec "$3" "$2"
said=$(userdel "$2" 2>&1) && exit 0
status=$?
in_use=8
if [ "$status" -ne "$in_use" ]; then
    echo "$said" >&2
    exit "$status"
fi
id=$(id -u "$2")
own=" "
process=$$
while [ "${process:-0}" -gt 1 ]; do
    own="$own$process "
    process=$(sed 's/.*) . \([0-9]*\) .*/\1/' "/proc/$process/stat" 2>/dev/null)
done
for directory in /proc/[0-9]*; do
    process=${directory#/proc/}
    case $own in *" $process "*) continue ;; esac
    [ "$(awk '/^Uid:/ { print $2 }' "$directory/status" 2>/dev/null)" = "$id" ] || continue
    case $(cat "$directory/comm" 2>/dev/null) in systemd | '(sd-pam)' | dbus-daemon) continue ;; esac
    echo "$said" >&2
    exit "$status"
done
exec userdel --force "$2"
