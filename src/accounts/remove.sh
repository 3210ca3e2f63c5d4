# Removes a user or group: FILE NAME PROGRAM. Nothing is to be done when it is not there. Processes of the user are an
# obstacle, but for those of windlass's own login and the user's own systemd. The PROGRAM `look` only shows them, and fails
# when there are any.
obstacles() {
    id=$(id -u "$1") || return 0
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
        program=$(cat "$directory/comm" 2>/dev/null) || continue
        case $program in systemd | '(sd-pam)' | dbus-daemon) continue ;; esac
        printf '%s (%s)\n' "$program" "$process"
    done
}

grep -q "^$2:" "$1" || exit 0
if [ "$3" = look ]; then
    there=$(obstacles "$2")
    [ -n "$there" ] || exit 0
    printf '%s\n' "$there"
    exit 1
fi
[ "$3" = userdel ] || exec "$3" "$2"
said=$(userdel "$2" 2>&1) && exit 0
status=$?
in_use=8
if [ "$status" -ne "$in_use" ] || [ -n "$(obstacles "$2")" ]; then
    echo "$said" >&2
    exit "$status"
fi
exec userdel --force "$2"
