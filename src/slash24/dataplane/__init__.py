"""Pure compilers: what a node should have -> the kernel state that carries it."""
