# $1 what it is   the rest: the client's arguments   standard input: SQL
shift
recorded "$@"
