# $1: SITE/POLE, or `nobody`, which only renews the lists; $2: reason; $3: compromised since, or empty. May be repeated: what is revoked stays so.
pole=$1 reason=$2 since=$3
ca=/var/lib/roeh-ca/nodes
case $pole in
    nobody) set -- ;;
    */*)
        set -- --pole "$pole" --reason "$reason"
        if test -n "$since"; then set -- "$@" --compromised-since "$since"; fi
        ;;
    *) echo "$pole: no pole; give SITE/POLE, or nobody to renew the lists" >&2; exit 2 ;;
esac
if test -f /etc/roeh/nodes-ca.passphrase; then
    set -- "$@" --passphrase-file /etc/roeh/nodes-ca.passphrase
fi
/usr/local/bin/roeh keys revoke --ca "$ca" "$@"
/usr/local/bin/roeh desk revoke -c /etc/roeh/desk.toml /etc/roeh/broker "$ca/revoked.pem"
case $(cat /etc/roeh/broker/poles-revoked.pem) in
    *"$(cat "$ca/revoked.pem")"*) ;;
    *) echo "the broker's list is not that of the CA" >&2; exit 1 ;;
esac
