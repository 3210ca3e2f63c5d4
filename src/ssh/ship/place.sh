# Places the agent that comes on stdin, to its end.
# Arguments: DIRECTORY, DIGEST of the raw agent, how it is packed: xz, gzip or raw.
# The same rules of writing as in find.sh hold. enter.sh stands before it.
umask 077;
mkdir "$1" 2>/dev/null;
enter "$1" || { echo "$1 is not a directory that only we can change" >&2; exit 1; };
t=$(mktemp "./.$2.XXXXXX" 2>/dev/null) || t=./.$2.$$;
trap "rm -f $t" 0;
trap "exit 1" 1 2 13 15;
case $3 in
  xz|gzip) $3 -dc;;
  *) cat;;
esac >"$t" || exit 1;
chmod 700 "$t";
# The agent tells its own digest: so it is whole, and it can be executed here.
d=$("$t" --digest) || exit 1;
[ "$d" = "$2" ] || { echo "what arrived is not the agent" >&2; exit 1; };
sync "$t" 2>/dev/null || sync;
mv -f "$t" "./$2" || exit 1;
# Agents that were placed more than a month ago, one that is still wanted is placed again; and what was cut off.
find . -type f -name "[0-9a-f]*" -mtime +30 -exec rm -f {} +;
find . -type f -name ".[0-9a-f]*" -mtime +1 -exec rm -f {} +;
# Directories that were only tried.
for b in "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}" /run/user/$u /var/tmp /dev/shm /tmp; do
  rmdir "$b/windlass-$u" 2>/dev/null;
done;
echo windlass-placed
