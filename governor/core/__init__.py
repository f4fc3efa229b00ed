"""Judge outreach: pure functions over frozen values, without clock, I/O or environment."""
