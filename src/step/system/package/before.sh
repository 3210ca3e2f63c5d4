# Says of each package NAME…: `known NAME STATUS` when dpkg knows it, and `auto NAME` when it was installed as a dependency.
# Then `account NAME` for each user and group of the host, and, of each word NAME=VERSION, `offered NAME VERSION` for each
# version that a package source has.
# shellcheck disable=SC2016  # The format is dpkg's.
count=$# old=
while [ "$count" -gt 0 ]; do
    case $1 in *=*) old="$old ${1%%=*}" ;; *) set -- "$@" "$1" ;; esac
    shift
    count=$((count - 1))
done
dpkg-query --show --showformat 'known ${Package} ${db:Status-Status}\nknown ${Package}:${Architecture} ${db:Status-Status}\n' -- "$@" 2>/dev/null
apt-mark showauto "$@" 2>/dev/null | sed 's/^/auto /'
sed 's/^\([^:]*\):.*/account \1/' /etc/passwd /etc/group 2>/dev/null | sort -u
# shellcheck disable=SC2086  # One word for each package.
[ -z "$old" ] || apt-cache madison $old 2>/dev/null | awk -F ' *[|] *' '{ sub(/^ */, "", $1); print "offered", $1, $2 }' | sort -u
exit 0
