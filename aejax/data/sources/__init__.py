"""Where images come from: a file for each kind of source, and the zoo that finds the one that a name means."""
