# $1: SITE/POLE; $2: reason; $3: compromised since, or empty. May be repeated: what is revoked stays so.
pole=$1 reason=$2 since=$3
ca=/var/lib/roeh-ca/nodes
set -- --pole "$pole" --reason "$reason"
if test -n "$since"; then set -- "$@" --compromised-since "$since"; fi
if test -f /etc/roeh/nodes-ca.passphrase; then
    set -- "$@" --passphrase-file /etc/roeh/nodes-ca.passphrase
fi
/usr/local/bin/roeh keys revoke --ca "$ca" "$@"
/usr/local/bin/roeh desk revoke -c /etc/roeh/desk.toml /etc/roeh/broker "$ca/revoked.pem"
case $(cat /etc/roeh/broker/poles-revoked.pem) in
    *"$(cat "$ca/revoked.pem")"*) ;;
    *) echo "the broker's list is not that of the CA" >&2; exit 1 ;;
esac
