# Finds the agent and runs it with the job that follows on stdin; says what this host has when it finds none.
# Arguments: DIGEST:SIZE for each agent that the controller has.
# The script travels inside single quotes through any login shell, csh and fish among them. So it is joined to one line
# and holds no single quote, exclamation mark or backslash. enter.sh stands before it.
umask 077;
w=$PWD;
h=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache};
# Whether the file is the agent of this DIGEST:SIZE, and ours. A host without sha256sum has only owner, mode and size to go by.
whole() {
  f=./${1%%:*};
  z=${1##*:};
  set -- $(TIME_STYLE=locale LC_ALL=C ls -ldn "$f" 2>/dev/null);
  case $1 in -rwx------*) ;; *) return 1;; esac;
  [ "$3" = "$u" ] && [ "$5" = "$z" ] || return 1;
  case $(sha256sum 2>/dev/null <"$f") in ""|"${f#./} "*) ;; *) return 1;; esac;
};
for b in "$h" /run/user/$u /var/tmp /dev/shm /tmp; do
  p=$b/windlass-$u;
  enter "$p" || continue;
  for a in "$@"; do
    whole "$a" || continue;
    unset OLDPWD;
    umask 022;
    PWD=$w "./${a%%:*}" --from "$w";
    r=$?;
    umask 077;
    # 126: the directory allows no exec any more, so the job was not touched and another directory may do.
    case $r in 126) ;; *) exit $r;; esac;
  done;
done;
# None: look for directories that allow exec, by executing something harmless in a directory of our own there. Its name
# is new, since others may be looking at the same time.
# busybox also calls something xz, which has no --version and does not know the filter for machine code.
z=;
xz --version >/dev/null 2>&1 && z=" xz";
command -v gzip >/dev/null 2>&1 && z="$z gzip";
echo "windlass-host $(uname -s) $(uname -m)$z raw";
mkdir -p "$h" 2>/dev/null;
for b in "$h" /run/user/$u /var/tmp /dev/shm /tmp; do
  p=$b/windlass-$u;
  mkdir "$p" 2>/dev/null;
  enter "$p" || continue;
  t=$(mktemp -d ./try.XXXXXX 2>/dev/null) || { t=./try.$$; mkdir "$t" 2>/dev/null; };
  if cp /bin/true "$t/true" 2>/dev/null && "$t/true" 2>/dev/null; then echo "windlass-directory $p"; fi;
  rm -f "$t/true";
  rmdir "$t" 2>/dev/null;
  cd /;
done;
s=/var/lib/windlass;
[ "$u" = 0 ] || s=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/windlass;
echo "windlass-state $s";
echo windlass-end
