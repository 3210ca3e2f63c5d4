# Runs a command, again and again for up to $1 seconds while its output says that another apt or dpkg holds the lock
# (apt waits by itself for dpkg's locks, but not for that of its package lists). Then touches $STAMP, when it is set.
set -u
left=$1
shift
while :; do
    status=0
    said=$("$@" 2>&1) || status=$?
    case "$status $said" in
        "0 "*) break ;;
        *"Could not get lock"* | *"frontend lock"*"locked by another process"*) ;;
        *) break ;;
    esac
    [ "$left" -gt 0 ] || break
    sleep 2
    left=$((left - 2))
done
printf '%s\n' "$said"
if [ "$status" -eq 0 ] && [ -n "${STAMP-}" ]; then
    mkdir -p "${STAMP%/*}" && : > "$STAMP"
fi
exit "$status"
