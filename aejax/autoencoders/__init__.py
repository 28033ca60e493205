"""Families of autoencoders, one file each."""
