# Becomes a user by su, which asks for the password of that user on stderr and reads it from stdin.
# Arguments: $0 a random word, USER, the script announce.sh, then what it is given.
# The same rules of writing as in find.sh hold.
n=$0; u=$1; a=$2; shift 2;
LC_ALL=C; LANGUAGE=C; export LC_ALL LANGUAGE;
echo "$n-su" >&2;
exec su -s /bin/sh -c "$a" -- "$u" "$n" "$@"
