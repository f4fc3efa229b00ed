"""Keep what is known and written about each person."""
