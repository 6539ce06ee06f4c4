"""Who may ask what, and what is remembered of it. Pure: no clock, no I/O."""
