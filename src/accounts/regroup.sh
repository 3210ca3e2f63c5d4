# Runs COMMAND…, which puts a user back into groups. Standard input has FILE, line number and line of each of the groups as they
# were, with tabs between. A line that has the same members by now, in another order, becomes the one that it was. The new
# file takes the old one's place in one moment.
set -eu
"$@" </dev/null
tab=$(printf '\t')
while IFS="$tab" read -r file number line; do
    [ -e "$file" ] || continue
    cp -p "$file" "$file.windlass"
    LINE=$line awk -F: '
        function sorted(text, all, count, i, j, one) {
            count = split(text, all, ",")
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && all[j] < all[j - 1]; j--) { one = all[j]; all[j] = all[j - 1]; all[j - 1] = one }
            text = ""
            for (i = 1; i <= count; i++) text = text "," all[i]
            return text
        }
        function rest(text) { sub(/[^:]*$/, "", text); return text }
        function members(text) { sub(/.*:/, "", text); return text }
        BEGIN { line = ENVIRON["LINE"] }
        rest($0) == rest(line) && sorted(members($0)) == sorted(members(line)) { print line; next }
        { print }
    ' "$file" >"$file.windlass"
    mv -f "$file.windlass" "$file"
done
