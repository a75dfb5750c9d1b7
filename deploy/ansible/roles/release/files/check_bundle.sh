#!/bin/sh
# Whether a bundle is what a believed signer made, with openssl and sha256sum alone, before
# anything of it is run. Comes from whoever installs, never from the bundle itself.
#
#   sh check_bundle.sh BUNDLE /etc/roeh/release-ca.pem
set -eu
export LC_ALL=C
bundle=${1:?"the bundle's folder"}
believed=${2:?"the release CA's certificate"}

refuse() { echo "bundle refused: $*" >&2; exit 1; }

command -v openssl >/dev/null || refuse "openssl is not installed"
[ -f "$believed" ] || refuse "$believed is not there: nobody is believed to sign releases"
believed=$(readlink -f "$believed")
cd "$bundle" 2>/dev/null || refuse "$bundle is not there"
for file in SHA256SUMS SHA256SUMS.p7s; do
    [ -f "$file" ] || refuse "no $file in $bundle"
done

# For code signing and nothing else: a root, or a CA for poles or persons, is no release CA.
for_code_signing() {
    usage=$(openssl x509 -in "$1" -noout -ext extendedKeyUsage 2>/dev/null | sed -n '2s/^ *//p')
    [ "$usage" = "Code Signing" ]
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for_code_signing "$believed" || refuse "$believed is no release CA"
# The clock of a board that was never on a network is not asked.
revoked=""
grep -q "BEGIN X509 CRL" "$believed" && revoked="-crl_check"
# shellcheck disable=SC2086  # an option or none
said=$(openssl cms -verify -binary -inform DER -in SHA256SUMS.p7s -content SHA256SUMS \
    -CAfile "$believed" -no-CApath -no-CAstore -partial_chain -purpose any -no_check_time $revoked \
    -signer "$work/signer" -out /dev/null 2>&1) || refuse "not signed by whom $believed believes ($said)"
for_code_signing "$work/signer" || refuse "its signer is not for code signing"

# Nothing but plain files, all of them named, all of them as named.
odd=$(find . ! -type f ! -type d)
[ -z "$odd" ] || refuse "not a plain file: $odd"
cut -c 67- SHA256SUMS | sort >"$work/named"
find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.p7s | sed 's#^\./##' | sort >"$work/there"
unnamed=$(comm -13 "$work/named" "$work/there")
[ -z "$unnamed" ] || refuse "not named by its list: $unnamed"
sha256sum --check --strict --quiet SHA256SUMS || refuse "damaged (see above)"
echo "bundle as signed by $(openssl cms -cmsout -print -inform DER -in SHA256SUMS.p7s 2>/dev/null |
    sed -n 's/^ *subject: *//p' | head -n 1)"
