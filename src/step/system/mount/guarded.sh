# Mounts or unmounts at a place that another user can exchange meanwhile: ACTION PLACE SOURCE TYPE OPTIONS, where ACTION is
# mount, remount or umount, or `back mount` or `back umount` where the other one is undone. The directory is entered first. It
# is the one that stood at PLACE, or nothing is done, and what is exchanged afterwards changes nothing.
undoes=
if [ "$1" = back ]; then undoes=1; shift; fi
action=$1 place=$2 source=$3 type=$4 options=$5
listed=$(printf %s "$place" | sed 's/\\/\\134/g; s/ /\\040/g; s/	/\\011/g')
is_mounted() {
  while read -r _ _ _ _ at _; do [ "$at" = "$listed" ] && return 0; done </proc/self/mountinfo
  return 1
}
inside=$place name=.
if [ "$action" = umount ]; then inside=${place%/*} inside=${inside:-/} name=./${place##*/}; fi
cd -P -- "$inside" 2>/dev/null && [ "$(pwd -P)" = "$inside" ] || {
  echo "$place is not the directory that it was: another user exchanged it" >&2
  exit 1
}
if [ -n "$undoes" ]; then
  # Nothing is to be done when what is undone had failed.
  if is_mounted; then now=mount; else now=umount; fi
  [ "$now" != "$action" ] || exit 0
fi
exact=
case $(mount --version 2>/dev/null) in *util-linux*) exact=-c ;; esac
case $source in UUID=* | LABEL=* | PARTUUID=* | PARTLABEL=*) source=$(findfs "$source") || exit ;; esac
case $action in
  mount) said=$(mount $exact -t "$type" -o "$options" -- "$source" . 2>&1) ;;
  remount) said=$(mount $exact -t "$type" -o "remount,$options" -- "$source" . 2>&1) ;;
  umount) said=$(umount $exact -- "$name" 2>&1) ;;
esac
status=$?
printf %s "${said:+$said
}" | sed "s#^\(u\{0,1\}mount: \)$name\([ :]\)#\1$(printf %s "$place" | sed 's/[#\\&]/\\&/g')\2#" >&2
exit "$status"
