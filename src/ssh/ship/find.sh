# Finds the agent and runs it with the job that follows on stdin; says what this host has when it finds none.
# Arguments: DIGEST:SIZE for each agent that the controller has.
# The script travels inside single quotes through any login shell, csh and fish among them. So it is joined to one line
# and holds no single quote, exclamation mark or backslash.
umask 077;
u=$(id -u);
h=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache};
# A folder is trusted when it is a real one, ours, and closed to everybody else; a file when it is ours and whole.
folder() {
  set -- $(ls -ldn "$1" 2>/dev/null);
  case $1 in drwx------*) [ "$3" = "$u" ];; *) false;; esac;
};
whole() {
  z=$2;
  set -- $(ls -ldn "$1" 2>/dev/null);
  case $1 in -rwx------*) [ "$3" = "$u" ] && [ "$5" = "$z" ];; *) false;; esac;
};
for b in "$h" /run/user/$u /var/tmp /dev/shm /tmp; do
  p=$b/windlass-$u;
  folder "$p" || continue;
  for a in "$@"; do
    whole "$p/${a%%:*}" "${a##*:}" || continue;
    umask 022;
    "$p/${a%%:*}";
    r=$?;
    umask 077;
    # 126: the folder allows no exec any more, so the job was not touched and another folder may do.
    case $r in 126) ;; *) exit $r;; esac;
  done;
done;
# None: look for a folder that allows exec, by executing something harmless there.
x=-;
mkdir -p "$h" 2>/dev/null;
for b in "$h" /run/user/$u /var/tmp /dev/shm /tmp; do
  case $x in -) ;; *) continue;; esac;
  p=$b/windlass-$u;
  mkdir "$p" 2>/dev/null;
  folder "$p" || continue;
  cp /bin/true "$p/true" 2>/dev/null && "$p/true" 2>/dev/null && x=$p;
  rm -f "$p/true";
  case $x in -) rmdir "$p" 2>/dev/null;; esac;
done;
z=;
for c in xz gzip; do command -v $c >/dev/null 2>&1 && z="$z $c"; done;
s=/var/lib/windlass;
[ "$u" = 0 ] || s=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/windlass;
echo "windlass-host $(uname -s) $(uname -m)$z raw";
echo "windlass-folder $x";
echo "windlass-state $s";
echo windlass-end
