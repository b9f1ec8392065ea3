"""What several tables use; no tables."""
