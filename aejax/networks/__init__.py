"""Flax modules from which autoencoders are built."""
