# $1: the evidence partition, or empty. May be repeated after an interruption anywhere.
device=$1
# First what makes it a pole: a run after a power cut finds one that is gone, and comes here again.
rm -f /etc/roeh/node.toml
sync
if test -n "$device"; then
    # What lies on it is unmounted and closed first, whatever it was called.
    umount /var/lib/roeh 2>/dev/null || true
    for name in $(lsblk --noheadings --raw --output NAME,TYPE "$device" | awk '$2 == "crypt" { print $1 }'); do
        cryptsetup close "$name"
    done
    if cryptsetup isLuks "$device"; then
        # Every key slot: without them the volume key cannot be had from any passphrase or TPM.
        cryptsetup erase --batch-mode "$device"
        if cryptsetup luksDump "$device" | sed -n '/^Keyslots:/,/^Tokens:/p' | grep -q '^ *[0-9][0-9]*: '; then
            echo "$device still has key slots" >&2
            exit 1
        fi
        wipefs --all --quiet "$device"
    fi
    # Where the disk can forget its cells it is told to; where not, they hold what nobody can decrypt.
    blkdiscard --force "$device" 2>/dev/null || true
    # What opened and mounted it at each start.
    systemctl disable --now --quiet var-lib-roeh.mount roeh-disk-key.service 2>/dev/null || true
    rm -f /etc/crypttab /etc/systemd/system/var-lib-roeh.mount /etc/systemd/system/roeh-disk-key.service
    systemctl daemon-reload
fi
# Everything else that is the pole's: what is left of the evidence, keys, its configuration.
if test -d /var/lib/roeh; then
    find /var/lib/roeh -xdev -mindepth 1 -delete
fi
rm -rf /etc/roeh /run/roeh-enrolment /var/lib/roeh-release-trial
sync
fstrim /var/lib/roeh 2>/dev/null || fstrim / 2>/dev/null || true
