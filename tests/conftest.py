"""What every test may use; each plugin is told apart by what it is for."""

pytest_plugins = ["pytester", "tests.postgres", "tests.verification"]
