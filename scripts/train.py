"""The command `aejax train`, as a script."""

from aejax.__main__ import main

if __name__ == "__main__":
    main("train")
