"""What the operator sees of the service while it runs: log lines and metrics."""
