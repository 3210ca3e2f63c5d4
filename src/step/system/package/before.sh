# Says of each package NAME…: `known NAME STATUS` when dpkg knows it, and `auto NAME` when it was installed as a dependency.
# Then `account NAME` for each user and group of the host.
# shellcheck disable=SC2016  # The format is dpkg's.
dpkg-query --show --showformat 'known ${Package} ${db:Status-Status}\nknown ${Package}:${Architecture} ${db:Status-Status}\n' -- "$@" 2>/dev/null
apt-mark showauto "$@" 2>/dev/null | sed 's/^/auto /'
sed 's/^\([^:]*\):.*/account \1/' /etc/passwd /etc/group 2>/dev/null | sort -u
exit 0
