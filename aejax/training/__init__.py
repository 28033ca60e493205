"""Training: one member's step, populations of members, and the host's loop."""
