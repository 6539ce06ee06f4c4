"""What submissions can state: one module for each of the ten domains, one dataclass for each kind."""
