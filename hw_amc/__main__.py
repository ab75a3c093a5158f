"""`python -m hw_amc`: the command line."""

from hw_amc.cli.main import main

if __name__ == "__main__":
    main()
