"""What our figures are held against. Each does what we do as one would write it by hand, on the same tables."""
