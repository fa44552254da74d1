//! Packs `data/common-passwords.txt` by front coding: each entry is one byte below 32, how many bytes it shares with the
//! entry before it, and then the rest of its own. An entry that shares nothing is a place where a search can start;
//! every sixteenth is written so.

use std::path::Path;
use std::{env, fs, io};

const SEARCH_STEP: usize = 16;
const SHARED_AT_MOST: usize = 31;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=data/common-passwords.txt");
    let text = fs::read_to_string("data/common-passwords.txt")?;
    let mut packed = Vec::with_capacity(text.len());
    let mut previous: &[u8] = b"";
    for (place, entry) in text.lines().map(str::as_bytes).enumerate() {
        if entry <= previous || entry.iter().any(|byte| *byte < 32) {
            return Err(io::Error::other(format!("common-passwords.txt, line {}: unsorted or unprintable", place + 1)));
        }
        let shared = if place % SEARCH_STEP == 0 {
            0
        } else {
            entry.iter().zip(previous).take(SHARED_AT_MOST).take_while(|(left, right)| left == right).count()
        };
        packed.push(u8::try_from(shared).map_err(io::Error::other)?);
        packed.extend_from_slice(&entry[shared..]);
        previous = entry;
    }
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(Path::new(&folder).join("common-passwords.packed"), packed)
}
