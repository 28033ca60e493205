"""The command `aejax export`, as a script."""

from aejax.__main__ import main

if __name__ == "__main__":
    main("export")
