# The end of an app's logs. pm2 tells what the app wrote as errors on standard error, and puts headings between.
# Arguments: the app, how many lines.
set -u
pm2 logs "$1" --nostream --raw --lines "$2" 2>&1 | grep -v -e '^\[TAILING\]' -e ' last [0-9]* lines:$' | tail -n "$2"
