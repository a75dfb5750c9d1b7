"""What the inventory says of poles: its node.toml, and every mistake in it. No Ansible in here."""
