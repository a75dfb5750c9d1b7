# Says what is not well, a line each; nothing when all is. An alarm of a ledger is for a person
# (roeh desk witness), and no fault of this machine.
test -f /var/lib/roeh/metrics/roeh_witness.prom || echo "the witness has written no metrics to /var/lib/roeh/metrics"
unit=roeh-desk-witness.service
systemctl --quiet is-active $unit || echo "$unit does not run"
ss -Htnp state established "dport = :8884" | grep -q "pid=$(systemctl show --property=MainPID --value $unit)," \
    || echo "the witness has no connection to the broker; roeh_screen_networks of the control room lets it in"
