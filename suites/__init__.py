"""What is promised: one short test per promise, its docstring the promise in one sentence."""
