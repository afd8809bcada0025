"""`python -m cellam`."""

from cellam_cli.app import main

if __name__ == "__main__":
    main()
