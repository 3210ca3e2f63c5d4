# Removes a release that nobody needs any more. Arguments: the directory of releases, the release's name. The record goes
# last: what is cut off here is found again by it. It follows enter.sh.
set -u
enter_ours "$1"
for left in "$2" "$2.part" "$2.since" "$2.json"; do remove_all "$left" || exit; done
