"""What is measured of a member, as objects: the needs, functions and metrics of each. Importing them needs no JAX."""
