"""The built-in components: the paper's choices and their alternatives."""
