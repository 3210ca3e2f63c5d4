# Makes a whole file system durable: the one that holds a path, or all where sync knows no such thing. Argument: the path.
sync -f "$1" 2>/dev/null || sync
