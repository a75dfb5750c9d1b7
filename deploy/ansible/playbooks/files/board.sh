# What a board says of itself, one `word=value` a line. Reads and changes nothing; sh alone.
#
# What a killed run of Ansible began here goes on until its task has ended, and its worker on the laptop
# lives as long: no other begins beside it.
waited_s=0
while pgrep -f 'BECOME-SUCCES[S]|sftp-serve[r]' > /dev/null && [ $waited_s -lt 900 ]; do
    sleep 2
    waited_s=$((waited_s + 2))
done
. /etc/os-release
echo "suite=${VERSION_CODENAME:-}"
echo "architecture=$(uname -m)"
echo "python=$(python3 -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)"
echo "model=$(tr -d '\000' < /proc/device-tree/model 2>/dev/null)"
# In the order of the product (roeh keys serial); a container's is its machine id.
serial() {
    [ -e /run/systemd/container ] && { cat /etc/machine-id; return; }
    tr -d '\000' < /proc/device-tree/serial-number && return
    sudo -n cat /sys/class/dmi/id/product_serial | grep . && return
    cat /etc/machine-id
}
echo "serial=$(serial 2>/dev/null)"
echo "from=${SSH_CONNECTION%% *}"
echo "user=$(id -un)"
echo "sudo=$(sudo -n true 2>/dev/null && echo yes || echo no)"
echo "free_kb=$(df -Pk /var | awk 'NR == 2 { print $4 }')"
