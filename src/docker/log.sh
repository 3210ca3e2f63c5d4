# The end of a container's log; an app's errors are on Docker's standard error. CONTAINER LINES
exec docker container logs --tail "$2" "$1" 2>&1
