# Writes a file or folder to standard output as a tar. Exit status 1: something changed while it was read. It follows
# enter.sh.
#   $1 the folder it is in   $2 its name there   the rest: tar's options
set -eu
enter "$1"
name=$2
shift 2
if tar --version 2>/dev/null | grep -q 'GNU tar'; then
    exec tar --create --file=- --format=posix --numeric-owner --acls --xattrs --xattrs-include='user.*' \
        --xattrs-include=security.capability "$@" -- "$name"
fi
# Others end with 1 for whatever went wrong.
tar -c -f - "$@" -- "$name" || exit 2
