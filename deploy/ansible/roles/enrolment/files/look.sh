# Says, a line each: the board's serial number; what is running and lacking; then each key (JSON).
test -d /var/lib/roeh/data || { echo "/var/lib/roeh/data is not there: storage comes first" >&2; exit 1; }
/usr/local/bin/roeh keys serial || exit 1
said=$(/usr/local/bin/roeh keys show -c /etc/roeh/node.toml 2>/dev/null)
case $said in
    *"once more"*) lacks=lacking ;;
    *) lacks=whole ;;
esac
if systemctl --quiet is-active roeh-evidence.service; then runs=running; else runs=stopped; fi
echo "$lacks $runs"
/usr/local/bin/roeh keys show -c /etc/roeh/node.toml --json 2>/dev/null || true
