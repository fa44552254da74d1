//! The behaviour of the whole server through its surfaces, one folder for each specification. One test binary.

#[cfg(test)]
mod frame;
