"""Studies: which methods run on which members, and what becomes of it on disk."""
