"""Turns assessments into signed, chained report revisions; README.md tells the path."""
