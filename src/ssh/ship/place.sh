# Places the agent that comes on stdin, to its end.
# Arguments: FOLDER, DIGEST of the raw agent, how it is packed: xz, gzip or raw.
# The same rules of writing as in find.sh hold.
umask 077;
cd "$1" || exit 1;
t=.$2.$$;
trap "rm -f $t" 0;
case $3 in
  xz|gzip) $3 -dc;;
  *) cat;;
esac >"$t" || exit 1;
chmod 700 "$t";
# The agent tells its own digest: so it is whole, and it can be executed here.
d=$("./$t" --digest) || exit 1;
[ "$d" = "$2" ] || exit 1;
sync "$t" 2>/dev/null || sync;
mv -f "$t" "$2" || exit 1;
# Agents that were placed more than a month ago; one that is still wanted is placed again.
find . -type f -name "[0-9a-f]*" -mtime +30 -exec rm -f {} +;
echo windlass-placed
