"""What people look at, made from a study's files alone."""
