"""Answers banks: identity, entitlement, a durable inquiry, then data; README.md tells the path."""
