//! The behaviour of the whole server through its surfaces, one folder for each specification. One test binary.

#[cfg(test)]
mod api;
#[cfg(test)]
mod frame;
#[cfg(test)]
mod management;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod people;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod statements;
