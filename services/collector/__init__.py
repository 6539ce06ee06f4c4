"""From submissions to carbon accounts: keeps what providers state, checks it, and posts it. README.md tells the path."""
