# Removes a swap file: the directory, its name there. It follows enter.sh.
enter_ours "$1"
rm -f -- "./$2"
