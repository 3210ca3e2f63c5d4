# Takes back a mount or umount: PROGRAM PATH. Nothing is to be done when it had failed.
if mountpoint -q "$2"; then now=mount; else now=umount; fi
[ "$now" = "$1" ] || exec "$1" "$2"
