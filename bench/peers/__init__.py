"""What DES is compared with: the same work as somebody else would do it, each as a process of its own."""
