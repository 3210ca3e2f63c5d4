# Prints the unit file whose [Install] section gives it the alias NAME, the first one found: NAME DIRECTORY...
set -u
export name=$1
shift
for directory do
    for file in "$directory"/*."${name##*.}"; do
        [ -f "$file" ] && [ ! -L "$file" ] || continue
        awk '/^[ \t]*Alias[ \t]*=/ {
            sub(/^[^=]*=/, "")
            for (i = split($0, words); i > 0; i--) if (words[i] == ENVIRON["name"]) found = 1
        }
        END { exit !found }' "$file" || continue
        printf '%s\n' "${file##*/}"
        exit 0
    done
done
