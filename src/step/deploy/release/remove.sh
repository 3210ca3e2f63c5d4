# Removes a release that nobody needs any more. Arguments: the folder of releases, the release's name. The record goes
# last: what is cut off here is found again by it.
set -u
cd "$1" && rm -rf "./$2" "./$2.part" "./$2.since" && rm -f "./$2.json"
