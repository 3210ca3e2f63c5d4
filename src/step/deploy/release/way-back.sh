# Refuses to lead back to a release that is no more. Argument: where it was.
[ -d "$1" ] && exit
echo "$1 is gone: no more releases than keep says were kept" >&2
exit 1
