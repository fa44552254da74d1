//! Plain functions over bytes that a stranger can send; run by tests over a corpus and seeded mutations, and by fuzzers.

use crate::redirect::RedirectUri;
use crate::scope::Scopes;

/// Registration and comparison of redirect addresses: nothing panics, and what is taken is taken byte by byte.
pub fn redirect(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let fixed = RedirectUri::register("https://app.example.com/cb").expect("a plain address");
    assert_eq!(fixed.matches(text), text == "https://app.example.com/cb");
    let loopback = RedirectUri::register("http://127.0.0.1/cb").expect("a loopback address");
    if loopback.matches(text) {
        assert!(text.starts_with("http://127.0.0.1") && text.ends_with("/cb"), "{text}");
        assert!(!text.contains('@') && !text.contains('#') && !text.contains('\\'), "{text}");
    }
    if let Ok(registered) = RedirectUri::register(text) {
        assert!(registered.matches(text));
        let url = url::Url::parse(text).expect("what is registered parses");
        assert!(url.fragment().is_none() && url.username().is_empty());
        assert_ne!(url.scheme(), "javascript");
    }
}

/// Scope parameters.
pub fn scope(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(scopes) = Scopes::parse(text) {
        assert_eq!(Scopes::parse(&scopes.to_string()).as_ref(), Ok(&scopes));
    }
}

#[cfg(test)]
mod tests {
    use claviger_kernel::{Entropy, SeededEntropy};

    #[test]
    fn a229_mutated_addresses_and_scopes_neither_panic_nor_pass() {
        let corpus: &[&str] = &[
            "https://app.example.com/cb",
            "http://127.0.0.1:8080/cb",
            "http://[::1]/cb",
            "com.example.app:/cb",
            "openid profile",
            "https://app.example.com@evil/cb",
            "javascript:alert(1)",
            "http://127.0.0.1:80@evil/cb",
        ];
        let entropy = SeededEntropy::new(7);
        for round in 0..20_000usize {
            let mut bytes = corpus[round % corpus.len()].as_bytes().to_vec();
            let mut random = [0u8; 4];
            for _ in 0..=round % 3 {
                entropy.fill(&mut random);
                let place = usize::from(random[0]) % (bytes.len() + 1);
                match random[1] % 3 {
                    0 if place < bytes.len() => bytes[place] = random[2],
                    1 if place < bytes.len() => drop(bytes.remove(place)),
                    _ => bytes.insert(place, random[3]),
                }
            }
            super::redirect(&bytes);
            super::scope(&bytes);
        }
    }
}
