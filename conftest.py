"""What every test may use, and how patient Hypothesis is."""

from hypothesis import settings

pytest_plugins = ["pytester", "tests.core_coverage", "tests.postgres", "tests.verification"]

# A shared machine may be slow at any moment; pytest's own time limit finds what hangs.
settings.register_profile("patient", settings.default, deadline=None, max_examples=50)
settings.load_profile("patient")
