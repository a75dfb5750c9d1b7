# Makes the desk's keys where there are none, and /etc/roeh/desk.keys: their public halves, and
# those of witnesses. These come by standard input; where it is empty, those that are known stay.
# Says "made" when a file became another; then, as `file NAME BASE64`, what poles believe.
put() {
    new=$(dirname "$1")/.$(basename "$1").new
    cat > "$new"
    chmod 0644 "$new"
    if cmp -s "$new" "$1"; then
        rm "$new"
    else
        sync "$new"
        mv "$new" "$1"
        sync "$(dirname "$1")"
        echo made
    fi
}
known=$(cat)
keys=$(runuser -u roeh-desk -- /usr/local/bin/roeh desk keys -c /etc/roeh/desk.toml)
witnesses=/var/lib/roeh-desk/keys/witness.keys
if test -n "$known"; then printf '%s\n' "$known" | put $witnesses; fi
if test -f $witnesses; then keys=$(printf '%s\n' "$keys"; cat $witnesses); fi
printf '%s\n' "$keys" | put /etc/roeh/desk.keys
cd /etc/roeh
for name in root-ca.pem broker-ca.pem desk.keys trust-list.p7m; do
    if test -f $name; then echo "file $name $(base64 --wrap=0 $name)"; fi
done
