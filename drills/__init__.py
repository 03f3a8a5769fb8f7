"""Drills: real processes die, disks fill up, networks fail, and an outside ledger says whether money was lost."""
