"""What trained members are measured by: pure functions of arrays."""
