//! Entry point for fuzzing: any text as a configuration file.

use super::layers::from_text;

/// Reads `bytes` as a configuration file; what is refused is refused with a name or a line.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Err(error) = from_text("claviger.toml", text) {
        assert!(error.to_string().contains("claviger.toml"), "an error that does not say where: {error}");
    }
}
