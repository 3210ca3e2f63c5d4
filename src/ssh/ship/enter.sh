# Enters a directory that is a real one, ours, closed to everyone else, and below directories that only root and we can
# change. Being there holds it: what is at ./NAME from now on is what root or we have put there.
# Before it, $u is our user number. The same rules of writing as in find.sh hold.
enter() {
  [ -L "$1" ] && return 1;
  cd -P "$1" 2>/dev/null || return 1;
  r=$(pwd -P);
  case $r in */windlass-$u) ;; *) return 1;; esac;
  n=.;
  l=.;
  while case $r in /?*) ;; *) false;; esac; do n=$n/..; l="$l $n"; r=${r%/*}; done;
  c=0;
  e=1;
  for x in $(TIME_STYLE=locale LC_ALL=C ls -ldn $l 2>/dev/null); do
    c=$((c + 1));
    case $c in 1) m=$x;; 3) o=$x;; esac;
    case $x in
      .)
        case $m in drwx------*) [ "$o" = "$u" ] || return 1;; *) return 1;; esac;
        c=0;
        e=0;;
      ./..*)
        case $o in 0|"$u") ;; *) return 1;; esac;
        case $m in d????????[tT]*) ;; d????w*|d???????w*) return 1;; esac;
        c=0;;
    esac;
  done;
  return $e;
};
