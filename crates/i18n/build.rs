//! Turns `messages/<language>/*.ftl` into Rust: the files themselves, and one method of `Texts` for each message, named
//! after its key and taking its variables. A page that asks for a text that does not exist, or forgets a variable,
//! does not compile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The language that every other one is measured against; its messages make the methods.
const SOURCE: &str = "en";

fn main() {
    println!("cargo::rerun-if-changed=messages");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("messages");
    let mut code = String::from("pub(crate) const FILES: &[(&str, &[&str])] = &[\n");
    for language in sorted(&root) {
        let tag = language.file_name().and_then(|name| name.to_str()).expect("a language tag is ASCII");
        writeln!(code, "    (\"{tag}\", &[").expect("writing to a String");
        for file in sorted(&language) {
            writeln!(code, "        include_str!({:?}),", file.display().to_string()).expect("writing to a String");
        }
        code.push_str("    ]),\n");
    }
    code.push_str("];\n\n");

    let mut messages = BTreeMap::new();
    for file in sorted(&root.join(SOURCE)) {
        let text = fs::read_to_string(&file).expect("a message file is readable UTF-8");
        read(&text, &mut messages);
    }
    code.push_str("#[cfg(test)]\npub(crate) const KEYS: &[&str] = &[");
    for key in messages.keys() {
        write!(code, "{key:?},").expect("writing to a String");
    }
    code.push_str("];\n\nimpl Texts {\n");
    for (key, body) in &messages {
        method(&mut code, key, body);
    }
    code.push_str("}\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("messages.rs"), code).expect("the build folder is writable");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the messages folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

/// Collects `key → body` of each message. A message starts at the margin; its body goes on while lines are indented.
fn read(text: &str, messages: &mut BTreeMap<String, String>) {
    let mut current = None;
    for line in text.lines() {
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            let (key, body) = line.split_once('=').expect("a message is `key = text`");
            let key = key.trim().to_owned();
            assert!(messages.insert(key.clone(), body.trim().to_owned()).is_none(), "message `{key}` stands twice");
            current = Some(key);
        } else if line.starts_with([' ', '}']) {
            let key = current.as_ref().expect("an indented line follows a message");
            let body = messages.get_mut(key).expect("inserted above");
            body.push('\n');
            body.push_str(line.trim());
        }
    }
}

fn method(code: &mut String, key: &str, body: &str) {
    let mut variables: Vec<&str> = Vec::new();
    for rest in body.split('$').skip(1) {
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(rest.len());
        if !variables.contains(&&rest[..end]) {
            variables.push(&rest[..end]);
        }
    }
    let name = key.replace('-', "_");
    code.push_str("    /// In English:\n    ///\n    /// ```text\n");
    for line in body.lines() {
        writeln!(code, "    /// {line}").expect("writing to a String");
    }
    code.push_str("    /// ```\n");
    let parameters: String =
        variables.iter().fold(String::new(), |all, name| all + ", " + name + ": impl Into<Arg<'a>>");
    let arguments: String =
        variables.iter().fold(String::new(), |all, name| all + "(\"" + name + "\", " + name + ".into()), ");
    let lifetime = if variables.is_empty() { "" } else { "<'a>" };
    writeln!(
        code,
        "    pub fn {name}{lifetime}(&self{parameters}) -> Cow<'_, str> {{\n        self.get({key:?}, &[{arguments}])\n    }}\n"
    )
    .expect("writing to a String");
}
