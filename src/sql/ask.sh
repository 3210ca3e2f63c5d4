# $1 says which question it is   the rest: the client's arguments   standard input: SQL
shift
client "$@"
