"""What people would otherwise use, each a program of its own, beside governor's worker."""
