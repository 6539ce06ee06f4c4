"""The rules by which submissions and accounts are checked. A new one is one decorated function in `form` or `plausibility`."""
