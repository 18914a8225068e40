"""Launcher for a checkout: `python cli.py ...` is `facerecon ...`. Never installed."""

from facerecon.commands.main import main

if __name__ == "__main__":
    main()
