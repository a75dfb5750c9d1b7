"""What a pole shows and gives to people: its health, its timeline, exports; each time judged."""
