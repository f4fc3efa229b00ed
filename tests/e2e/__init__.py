"""The whole gate: real worker processes on a real Kafka and a real Redis."""
