//! Joins the stylesheet's layers into one file whose name bears a hash of its content, and packs the page scripts.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The layers, from what yields to what prevails.
const LAYERS: [&str; 5] = ["reset", "tokens", "elements", "components", "pages"];

fn main() {
    println!("cargo::rerun-if-changed=styles");
    println!("cargo::rerun-if-changed=scripts");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));

    let mut css = format!("@layer {};\n", LAYERS.join(","));
    for layer in LAYERS {
        css.push_str(&packed(&root.join("styles").join(layer).with_extension("css")));
    }
    fs::write(out.join("claviger.css"), &css).expect("the build folder is writable");
    let name = format!("/assets/claviger.{:016x}.css", fnv(css.as_bytes()));
    fs::write(out.join("stylesheet.rs"), format!("{name:?}")).expect("the build folder is writable");
    for script in ["page", "submit"] {
        let text = packed(&root.join("scripts").join(script).with_extension("js"));
        fs::write(out.join(script).with_extension("js"), text).expect("the build folder is writable");
    }
}

/// A source without its indentation, blank lines and comments that have lines of their own.
fn packed(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a style or script is readable UTF-8");
    let mut packed = String::with_capacity(text.len());
    let mut comment = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        comment |= line.starts_with("/*");
        if !comment {
            packed.push_str(line);
            packed.push('\n');
        }
        comment &= !line.ends_with("*/");
    }
    packed
}

/// FNV-1a, 64 bits: names a version of the file, guards nothing.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
