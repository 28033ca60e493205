"""The methods that a study compares: one file each."""
