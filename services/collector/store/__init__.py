"""Questions that the collector asks its tables, each answered in the caller's transaction. Decides nothing."""
