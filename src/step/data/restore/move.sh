# Whether something is there, a link to nothing included.
there() { [ -e "$1" ] || [ -L "$1" ]; }

# Renames. Where mv can, never into a directory that another user puts there meanwhile.
move() { mv $exactly -- "$1" "$2"; }
exactly=
case $(mv --help 2>&1) in *-T*) exactly=-T ;; esac

