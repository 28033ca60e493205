"""Measuring speed: aejax beside the peers that are installed, and what grows with what."""
