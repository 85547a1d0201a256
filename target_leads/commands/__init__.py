"""Subcommands for the person who operates target-leads."""
