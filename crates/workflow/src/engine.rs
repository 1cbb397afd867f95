//! A run, interpreted.
