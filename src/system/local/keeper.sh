# Ends what an agent was running once the agent itself is gone, and holds the host's lock until that is over.
# Standard input: a line before a command starts (`start`), when its process group is known (its number), and when it has
# ended (`end`). It closes when the agent ends, however that comes about. Standard output: the host's lock.
trap '' HUP INT TERM PIPE

# Process, parent, group, session and start of a process, from its file in /proc.
process() {
    IFS= read -r line <"$1" || return
    pid=${line%% *}
    set -- ${line##*) }
    echo "$pid $2 $3 $4 ${20}"
} 2>/dev/null

# The group that an agent had just started and did not live to give its number: in this session, with no parent here, and
# younger than a second.
unnamed() {
    process /proc/self/stat | {
        read -r self parent group session now
        for stat in /proc/[0-9]*/stat; do process "$stat"; done | while read -r pid parent group of started; do
            [ "$of" = "$session" ] && [ "$group" = "$pid" ] && [ "$((now - started))" -lt 100 ] || continue
            case $session in "$pid" | "$parent") continue ;; esac
            [ "$pid" = $$ ] || echo "$pid"
        done
    }
}

at=end
while IFS= read -r line; do at=$line; done
case $at in
    end) exit ;;
    # It may not have a group of its own yet.
    start) groups="$(unnamed) $(sleep 0.1; unnamed)" ;;
    *) groups=$at ;;
esac
for group in $groups; do kill -KILL "-$group"; done 2>/dev/null
for group in $groups; do
    looks=0
    # What hangs in the kernel cannot be waited for longer than this.
    while [ "$looks" -lt 100 ] && kill -0 "-$group"; do
        sleep 0.1
        looks=$((looks + 1))
    done
done 2>/dev/null
