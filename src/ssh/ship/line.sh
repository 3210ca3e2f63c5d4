# Runs one line of shell text, and ends it with all that it started when standard input ends first: then the other end is
# gone, or wants an end. The same rules of writing as in find.sh hold.
# Arguments: the shell, or nothing for the login shell; the text.
exec 3<&0;
p=$$;
{ trap "" TERM; read -r l <&3; kill -0 $p && { kill -TERM 0; sleep 2; kill -KILL 0; }; } >/dev/null 2>&1 &
"${1:-${SHELL:-/bin/sh}}" -c "$2" </dev/null 3<&-
