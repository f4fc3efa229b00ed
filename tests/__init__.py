"""The test suite: core, ledger, stream, command line, end to end, faults."""
