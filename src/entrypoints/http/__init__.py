"""HTTP: who asks, what for, and the answer. Nothing is decided here."""
