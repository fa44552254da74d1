//! Scratch databases for tests.
