"""What DES is measured with: one module per question (see README.md)."""
