"""What the collector decides: pure functions over values, no clock, no I/O, no wire types."""
