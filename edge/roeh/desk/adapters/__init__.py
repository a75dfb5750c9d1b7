"""The desk's alerts in the forms that other systems read."""
