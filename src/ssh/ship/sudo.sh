# Becomes a user by sudo: without a password where that is allowed, else with the one that comes on stdin after the prompt.
# Arguments: $0 a random word, USER, the script announce.sh, then what it is given.
# The same rules of writing as in find.sh hold.
n=$0; u=$1; a=$2; shift 2;
if sudo -n -H -u "$u" -- /bin/sh -c : </dev/null >/dev/null 2>&1; then
  exec sudo -n -H -u "$u" -- /bin/sh -c "$a" "$n" "$@";
fi;
exec sudo -S -p "$n-password:" -H -u "$u" -- /bin/sh -c "$a" "$n" "$@"
