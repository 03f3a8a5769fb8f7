"""How the world gets in: settings, the container, the command line, HTTP, the relay and the sandbox."""
