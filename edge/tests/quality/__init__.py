"""How right the rules are: drawn scenes with exact truth through the whole pipeline."""
