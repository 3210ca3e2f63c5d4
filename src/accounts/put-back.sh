# Puts lines of account files back where they stood. Standard input has FILE, line number and line, with tabs between. A
# line of the same name that is there by now makes way. The new file takes the old one's place in one moment.
set -eu
tab=$(printf '\t')
while IFS="$tab" read -r file number line; do
    [ -e "$file" ] || continue
    cp -p "$file" "$file.windlass"
    LINE=$line awk -F: -v number="$number" '
        BEGIN { line = ENVIRON["LINE"]; name = line; sub(/:.*/, "", name) }
        $1 == name { next }
        ++seen == number { print line; put = 1 }
        { print }
        END { if (!put) print line }
    ' "$file" >"$file.windlass"
    mv -f "$file.windlass" "$file"
done
