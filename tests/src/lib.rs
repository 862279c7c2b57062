//! Harness of the tests that need the whole of encke.
