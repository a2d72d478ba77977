"""Benchmarks: what slash24 reaches, side by side with what it is measured against (docs/bench.md)."""
