# Takes back what made a user or group: FILE NAME PROGRAM. Nothing is to be done when it was never made.
grep -q "^$2:" "$1" || exit 0
exec "$3" "$2"
