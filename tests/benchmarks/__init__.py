"""How fast Schakel is, as ratios to the same work done by hand in the same run (docs/benchmarks.md)."""
