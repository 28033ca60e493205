"""From the command line to a study. Scripts are thin: they name their function in `commands`."""
