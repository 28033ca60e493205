"""Seeing what was learned: functions from trained networks and data to pictures, and to numbers that check them."""
