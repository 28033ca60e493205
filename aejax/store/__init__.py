"""What lies on disk of a study, and how it is read and written; no JAX."""
