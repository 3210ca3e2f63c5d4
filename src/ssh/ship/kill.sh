# Ends a shell that works for windlass, and everything below it.
# Argument: its process number. The same rules of writing as in find.sh hold.
below() {
  for s in /proc/[0-9]*/stat; do
    read -r l <"$s" || continue;
    p=${s#/proc/};
    set -- "$1" ${l##*) };
    case $3 in "$1") echo "${p%/stat}";; esac;
  done;
};
all=$1;
new=$1;
while [ "$new" ]; do
  next=;
  for q in $new; do next="$next $(below "$q" 2>/dev/null)"; done;
  new=$(echo $next);
  all="$all $new";
done;
kill -KILL $all
