"""`python -m proofreel` is the same as the installed command."""

from proofreel.cli import main

if __name__ == "__main__":
    main()
