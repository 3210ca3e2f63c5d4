# Becomes a user by doas: without a password where that is allowed, else with the one that comes on stdin after the prompt.
# doas reads a password from its terminal only. So script gives it one, which carries the prompt to stderr and the password
# back; input and output of the command stay those of this script.
# Arguments: $0 a random word, USER, the script announce.sh, then what it is given.
# The same rules of writing as in find.sh hold.
n=$0; u=$1; a=$2; shift 2;
LC_ALL=C; LANGUAGE=C; export LC_ALL LANGUAGE;
if doas -n -u "$u" /bin/sh -c : </dev/null >/dev/null 2>&1; then
  exec doas -n -u "$u" /bin/sh -c "$a" "$n" "$@";
fi;
command -v doas >/dev/null || { echo "doas: not found" >&2; exit 127; };
SHELL=/bin/sh; export SHELL;
if script -qec : /dev/null </dev/null >/dev/null 2>&1; then :; else
  echo "doas asks on a terminal only, and there is no program script of util-linux to make one" >&2; exit 1;
fi;
# script takes one text for a shell. The words reach that shell as variables, which it neither splits nor expands.
d="$"; i=0; c="set -f; IFS=; exec doas -u ${d}u /bin/sh -c ${d}a ${d}n";
for w in "$@"; do i=$((i + 1)); export "W$i=$w"; c="$c ${d}W$i"; done;
export n u a;
exec 3<&0 4>&1 5>&2 2>/dev/null;
echo "$n-doas" >&5;
# The one who hands over the password first says its number, and stays until it is ended: script takes the end of its
# input for that of the terminal.
k="set -f; IFS=; unset p; echo ${d}${d}; read -r p; printf %s ${d}p; echo; exec tail -f /dev/null </dev/null";
/bin/sh -c "$k" <&3 3<&- 4>&- 5>&- | {
  read -r l;
  script -qec "$c <&3 >&4 2>&5 3<&- 4>&- 5>&-" /dev/null >&5 2>&5;
  r=$?;
  kill "$l";
  exit $r;
}
