"""Runs the command: ``python -m target_leads``."""

from target_leads.cli import main

if __name__ == "__main__":
    main()
