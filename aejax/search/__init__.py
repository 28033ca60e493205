"""Finding settings: searches whose trials are populations, and whose winner is trained again on fresh seeds."""
