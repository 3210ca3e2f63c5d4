# Unpacks a tar from standard input into a new folder, beside its place. It follows enter.sh.
#   $1 the folder   $2 the name of what is in the tar; . when there are several
set -eu
stage=$1 inside=$2
beside=${stage%/*} name=./${stage##*/}
enter "${beside:-/}"
remove_all "${name#./}"
mkdir -m 700 -- "$name"
enter "$stage"
# Only ours is closed to others while it is filled.
[ -O . ] || { echo "windlass: another user made $stage" >&2 && exit 20; }
if tar --version 2>/dev/null | grep -q 'GNU tar'; then
    tar --extract --file=- --preserve-permissions --numeric-owner --acls --xattrs \
        --xattrs-include='user.*' --xattrs-include=security.capability --delay-directory-restore
else
    tar -x -p -f -
fi
# What follows the end of a tar is not tar's to read.
cat >/dev/null
if [ "$inside" != . ] && [ "$(ls -A)" != "$inside" ]; then
    echo "windlass: there is more in it than $inside" >&2
    exit 20
fi
