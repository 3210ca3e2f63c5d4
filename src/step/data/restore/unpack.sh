# Unpacks a tar from standard input into a new folder.
#   $1 the folder   $2 the name of what is in the tar; . when there are several
set -eu
stage=$1 inside=$2
rm -rf -- "$stage"
mkdir -m 700 -- "$stage"
if tar --version 2>/dev/null | grep -q 'GNU tar'; then
    tar --extract --file=- --directory="$stage" --preserve-permissions --numeric-owner --acls --xattrs \
        --xattrs-include='user.*' --xattrs-include=security.capability --delay-directory-restore
else
    tar -x -p -f - -C "$stage"
fi
# What follows the end of a tar is not tar's to read.
cat >/dev/null
if [ "$inside" != . ] && [ "$(ls -A -- "$stage")" != "$inside" ]; then
    echo "windlass: there is more in it than $inside" >&2
    exit 20
fi
