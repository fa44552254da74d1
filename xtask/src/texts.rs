//! What public text may not say, and how long a file may be.
//!
//! The repository is read by strangers: a path of somebody's machine or the address of a package registry tells them nothing
//! and may tell too much.

use std::path::Path;

use anyhow::Result;

use crate::workspace::Workspace;

const LONGEST_FILE: usize = 700;

/// Files that may be longer, each with the reason.
const LONG_FOR_A_REASON: &[(&str, &str)] = &[];

/// Written in pieces, so that this file does not hold what it looks for.
const NOT_PUBLIC: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of somebody's machine"),
    (concat!("/ro", "ot/"), "a path of somebody's machine"),
    (concat!("/ho", "me/"), "a path of somebody's machine"),
    (concat!("/Us", "ers/"), "a path of somebody's machine"),
    (concat!("bash", "_jobs"), "a path of somebody's machine"),
    (concat!("registry.", "npmjs"), "the address of a package registry"),
    (concat!("py", "pi.org"), "the address of a package registry"),
    (concat!("python", "hosted.org"), "the address of a package registry"),
    (concat!("static.", "crates.io"), "the address of a package registry"),
    (concat!("index.", "crates.io"), "the address of a package registry"),
    (concat!("deb.", "debian.org"), "the address of a package registry"),
    (concat!("security.", "debian.org"), "the address of a package registry"),
    (concat!("proxy.", "golang.org"), "the address of a package registry"),
    (concat!("repo1.", "maven.org"), "the address of a package registry"),
];

/// Every breach in the tracked files, as a sentence.
pub(crate) fn breaches(workspace: &Workspace) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in workspace.files()? {
        if let Some(text) = workspace.text(&path)? {
            found.extend(breaches_in(&path, &text));
        }
    }
    Ok(found)
}

fn breaches_in(path: &Path, text: &str) -> Vec<String> {
    let name = path.display();
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let said = NOT_PUBLIC.iter().filter(|(words, _)| line.contains(words));
        found.extend(said.map(|(words, what)| format!("{name}:{}: `{words}` is {what}", number + 1)));
    }
    let lines = text.lines().count();
    let excused = LONG_FOR_A_REASON.iter().any(|(excused, _)| Path::new(excused) == path);
    if path.extension().is_some_and(|extension| extension == "rs") && lines > LONGEST_FILE && !excused {
        found.push(format!("{name} has {lines} lines; {LONGEST_FILE} is the most. Split it by concept"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_text_is_fit_for_strangers() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(breaches(&workspace).unwrap(), [""; 0]);
    }

    #[test]
    fn a_planted_path_and_a_planted_registry_are_named() {
        let text = format!("fine\nsee {}me/notes\nfrom https://{}js.org/x\n", "/ho", "registry.npm");
        let found = breaches_in(Path::new("docs/x.md"), &text);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("docs/x.md:2: "), "{}", found[0]);
        assert!(found[1].starts_with("docs/x.md:3: "), "{}", found[1]);
    }

    #[test]
    fn a_file_that_is_too_long_is_named() {
        let found = breaches_in(Path::new("crates/x/src/lib.rs"), &"line\n".repeat(LONGEST_FILE + 1));
        assert_eq!(found.len(), 1);
        assert!(breaches_in(Path::new("docs/x.md"), &"line\n".repeat(LONGEST_FILE + 1)).is_empty());
    }
}
