"""A Singer target that delivers lead updates to partner APIs."""

__version__ = "0.1.0"
