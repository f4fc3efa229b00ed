"""Governor decides whether, how personally, on which channel and when a person is written to."""

__version__ = "0.1.0"
