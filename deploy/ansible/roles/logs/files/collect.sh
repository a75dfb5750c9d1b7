# Writes $1 (a .tar.gz) from what this machine says of itself. $2: since when; $3: how much of each
# journal. What fails is in the archive too; what could be a password is not.
archive=$1 since=$2 max_bytes=$3
umask 077
folder=$(mktemp -d /run/roeh-logs.XXXXXX)
trap 'rm -rf "$folder"' EXIT

# Passwords in addresses, and whatever a key calls so.
without_secrets() {
    sed -E -e 's#://[^/@[:space:]"]*@#://(left out)@#g' \
        -e 's/^([[:space:]]*[A-Za-z_]*(password|secret|token|passphrase)[A-Za-z_]*[[:space:]]*=).*/\1 "(left out)"/I'
}

# A file from a command: its output, its errors, and its status when that is not 0.
say() {
    file=$1
    shift
    { timeout 60 "$@" 2>&1 || echo "(ended with status $?)"; } | without_secrets > "$folder/$file"
}

say journal-roeh.txt sh -c "journalctl --no-pager --output=short-iso-precise --since='$since' \
    --unit='roeh*' --unit=mosquitto.service --unit='postgresql*' | tail -c $max_bytes"
say journal-warnings.txt sh -c "journalctl --no-pager --output=short-iso-precise --since='$since' \
    --priority=warning | tail -c $max_bytes"
say journal-kernel.txt sh -c "journalctl --no-pager --dmesg | tail -c $max_bytes"
say units.txt systemctl --no-pager --all --lines=0 status 'roeh*' mosquitto.service chrony.service nftables.service
say failed.txt systemctl --no-pager --failed
say versions.txt sh -c 'uname -a; cat /etc/os-release; roeh --version; readlink /opt/roeh/current /opt/roeh/previous'
say release.json roeh release show --json
say packages.txt dpkg-query --show
say disks.txt sh -c 'df -h; lsblk --fs; mount; free'
say network.txt sh -c 'ip -brief address; ip route; ss -lntup; nft list ruleset'
say clock.txt sh -c 'timedatectl; chronyc -n tracking; chronyc -n sources'
if test -f /etc/roeh/node.toml; then
    say node.toml cat /etc/roeh/node.toml
    say doctor.jsonl roeh doctor -c /etc/roeh/node.toml --json
    say keys.txt roeh keys show -c /etc/roeh/node.toml
    say files.txt sh -c 'find /var/lib/roeh -printf "%M %u %s %TFT%TT %p\n" | tail -20000'
fi
if test -f /etc/roeh/desk.toml; then
    say desk.toml cat /etc/roeh/desk.toml
    say issued.txt roeh keys issued --ca /var/lib/roeh-ca/nodes
fi
tar --create --gzip --file "$archive" --directory "$folder" --owner=0 --group=0 .
