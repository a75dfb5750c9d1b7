# Makes the desk's keys where there are none, and /etc/roeh/desk.keys: their public halves, and
# those of witnesses that are known. Says "made" when that file became another.
keys=$(runuser -u roeh-desk -- /usr/local/bin/roeh desk keys -c /etc/roeh/desk.toml)
new=/etc/roeh/.desk.keys.new
{
    printf '%s\n' "$keys"
    if test -f /var/lib/roeh-desk/keys/witness.keys; then cat /var/lib/roeh-desk/keys/witness.keys; fi
} > "$new"
chmod 0644 "$new"
if cmp -s "$new" /etc/roeh/desk.keys; then
    rm "$new"
else
    sync "$new"
    mv "$new" /etc/roeh/desk.keys
    sync /etc/roeh
    echo made
fi
