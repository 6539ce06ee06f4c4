"""What a report says and when a revision is made. Pure: no clock, no I/O."""
