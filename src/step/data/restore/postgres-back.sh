# Gives the old database its name back, and drops the one that was restored. It follows client.sh.
#   $1 what it is   $2 replace, or new   $3 and $4 ask whether the kept one and the one that is loaded are there
#   $5 the SQL that gives the kept one its name back   $6 the SQL that drops what was loaded   $7 the SQL that drops the
#   restored one   $8 the SQL that lets everybody into the database   $9 the client's argument for the server
there=$2 kept=$3 loading=$4 switch=$5 drop_loaded=$6 drop_restored=$7 allow=$8 server=$9

tell() { printf '%s\n' "$1" | client "$server" >/dev/null; }
is() { [ "$(printf '%s\n' "$1" | client --tuples-only --no-align "$server")" = 1 ]; }

if [ "$there" = replace ]; then
    if is "$kept"; then
        tell "$switch"
        tell "$allow"
    fi
    tell "$drop_loaded"
elif is "$loading"; then
    tell "$drop_loaded"
else
    tell "$drop_restored"
fi
