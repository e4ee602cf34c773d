"""What DES tests itself with and ships, so that others can test what they add to it in the same way.

Conformance suites are classes or functions that a test module calls with its own implementation; they know the
contract and nothing of who keeps it, and the parts DES brings pass the same ones. Nothing here is imported by the
service itself.

- `service.py`: every order in which a Service may be started, stopped and given up.
- `provider.py`: what a provider owes the engine.
- `collecting.py`: what one owes it besides whose answers come later.
- `sandbox.py`: the sandbox as the far end of a provider under test, with every fault it has.
"""
