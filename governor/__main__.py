"""Makes `python -m governor` the same as the command `governor`."""

from governor.cli import main

if __name__ == "__main__":
    main()
