# Puts a job of a user's crontab back as it was: USER MARK JOB, and on standard input the lines that it had, or nothing.
# Lines that were added since stay as they are.
set -u
export LC_ALL=C
user=$1
export mark="$2" job="$3"
lines=$(cat)
export lines
now=$(crontab -u "$user" -l 2>/dev/null; printf x)
new=$(printf '%s' "${now%x}" | awk '
    below { below = 0; if ($0 == ENVIRON["job"]) next }
    !seen && $0 == ENVIRON["mark"] {
        seen = below = 1
        if (ENVIRON["lines"] != "") print ENVIRON["lines"]
        next
    }
    { print }
    END { if (!seen && ENVIRON["lines"] != "") print ENVIRON["lines"] }'; printf x)
new=${new%x}
# It is as it was: the change was never made.
[ "$new" != "${now%x}" ] || exit 0
if [ -n "$new" ]; then
    printf '%s' "$new" | crontab -u "$user" -
elif [ "$now" != x ]; then
    crontab -u "$user" -r
fi
