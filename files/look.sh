#!/bin/sh
# What a person looks at first on a host that misbehaves. It changes nothing.
#
#   windlass run script files/look.sh --hosts PATTERN
#   windlass run script files/look.sh --hosts PATTERN -- /var     the disk of that folder instead of /
set -eu
folder=${1:-/}

printf 'up      %s s\n' "$(cut -d. -f1 /proc/uptime)"
printf 'load    %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
printf 'memory  %s MiB available\n' "$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)"
printf 'disk    %s used at %s\n' "$(df -P "$folder" | awk 'NR == 2 { print $5 }')" "$folder"
