"""Part of DES."""
