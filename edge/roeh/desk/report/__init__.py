"""Reports: alarms listed, counted and exported, however many there are."""
