# Ends the pole's processes, by which evidence closes its ledger; says the last checkpoint of it.
systemctl disable --quiet roeh.target 2>/dev/null || true
systemctl stop roeh.target 'roeh-release-*' roeh-evidence.service roeh-capture.service \
    roeh-detect.service roeh-publish.service roeh-retrieve.service \
    'roeh-usb@*.service' roeh-case.service
cat /var/lib/roeh/data/ledger/checkpoint
