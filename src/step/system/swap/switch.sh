# Swaps to a file, or no more: swapon or swapoff, the directory, the file's name there. It follows enter.sh.
enter_ours "$2"
exec "$1" "./$3"
