# Announces that the other user is reached, then runs what follows: `-c SCRIPT …`, as /bin/sh would.
# The same rules of writing as in find.sh hold.
echo "$0-go" >&2; exec /bin/sh "$@"
