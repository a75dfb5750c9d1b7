"""How well a pole tells what was done to its cameras, on clips that nothing was tuned on."""
