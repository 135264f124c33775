"""What every case works with: calls, probes, expectations, run-wide oracles, waits and rulings."""
