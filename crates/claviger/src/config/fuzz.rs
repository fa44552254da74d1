//! Entry point for fuzzing: any text as a configuration file.

use super::layers::from_text;

/// Reads `bytes` as a configuration file; what is refused is refused with a name or a line.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Err(error) = from_text("claviger.toml", text) {
        assert!(error.to_string().contains("claviger.toml"), "an error that does not say where: {error}");
    }
}

#[cfg(test)]
mod tests {
    use claviger_crypto::fuzz::mutate;

    #[test]
    fn any_text_is_read_or_refused_by_name() {
        let seeds = [
            "public_url = 'https://id.test'\nlisten = '0.0.0.0:443'\n[limits]\nheader_timeout = '10s'\nstreams = 100\n",
            "database.url = \"postgres://app@db/claviger\"\nproxies = { trusted = ['10.0.0.0/8'] }\n",
            "[[limits]]\n[keys]\nmaster_key_file = \"x\"\n",
        ];
        mutate(&seeds.map(|seed| seed.as_bytes().to_vec()), 5_000, super::configuration);
    }
}
