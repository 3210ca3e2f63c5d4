# Undoes a swapon or swapoff: that program, the directory, the file's name there. Nothing is to be done when it had
# failed. It follows enter.sh.
enter_ours "$2"
now=swapoff
while read -r path rest; do
    [ "$path" != "${2%/}/$3" ] || now=swapon
done </proc/swaps
[ "$now" = "$1" ] || exec "$1" "./$3"
