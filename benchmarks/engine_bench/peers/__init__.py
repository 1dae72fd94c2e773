"""The same work on other engines, written as their own documentation recommends. Runs in an environment of its own."""
