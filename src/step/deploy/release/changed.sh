# Names what was written to a tree since a file was made, each with a NUL behind it. Arguments: the tree, the file.
# Times of change are looked at where find can, since a file that was moved there keeps its time of writing. It follows enter.sh.
set -u
enter "$1"
find . ! -type d ! -type s \( -newer "$2" -o -cnewer "$2" \) -print0 2>/dev/null && exit
find . ! -type d ! -type s -newer "$2" -print0
