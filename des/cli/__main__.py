"""`python -m des.cli` is `des`."""

from des.cli import main

main()
