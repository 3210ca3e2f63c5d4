# Tests nginx's configuration. The last line says what is wrong with it, and not only that something is.
said=$(nginx -t -q 2>&1) && exit 0
printf '%s\n' "$said" | grep -v 'test failed$' >&2
exit 1
