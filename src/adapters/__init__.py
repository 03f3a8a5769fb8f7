"""The outside in our words: each folder or file fills ports with one technology, and none knows another."""
