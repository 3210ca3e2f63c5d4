# Says which ports of the host are taken, a line each, with tabs: holder, PORT/PROTOCOL, address, port. First those of running
# containers, then those of processes; what stands in for a container (docker-proxy) is its container's.
set -u
running=$(docker container ls --quiet) || exit
tab=$(printf '\t')
for container in $running; do
    docker container inspect --format '{{$name := .Name}}{{range $port, $all := .NetworkSettings.Ports}}{{range $all}}container {{$name}}{{"\t"}}{{$port}}{{"\t"}}{{.HostIp}}{{"\t"}}{{.HostPort}}{{"\n"}}{{end}}{{end}}' \
        "$container" 2>/dev/null
done
ss -Hltunp 2>/dev/null | while read -r protocol _ _ _ address _ process; do
    case $process in *'"docker-proxy"'*) continue ;; esac
    name=$(printf '%s\n' "$process" | sed -n 's/.*users:((\("[^"]*",pid=[0-9]*\).*/process \1/p')
    printf '%s\n' "${name:-an unknown process}$tab${address##*:}/$protocol$tab${address%:*}$tab${address##*:}"
done
