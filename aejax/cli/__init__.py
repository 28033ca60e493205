"""From the command line to a study. A command is a function, which `aejax.__main__` finds."""
