# Removes what was unpacked. It follows enter.sh.
#   $1 the folder
set -eu
beside=${1%/*}
enter "${beside:-/}"
remove_all "${1##*/}"
