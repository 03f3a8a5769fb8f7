"""The rule book: values and rules of selling access. Standard library only; no clock, no random, no I/O."""
