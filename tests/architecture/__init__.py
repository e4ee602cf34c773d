"""Style as tests: what CONTRIBUTING.md asks of the code, checked on every tracked file."""
