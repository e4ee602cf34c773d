"""The suites of `des.testing`, run against the parts of DES that they are for."""
