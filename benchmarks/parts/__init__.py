"""The parts of a benchmark: a service under test, recordings, and how figures are judged."""
