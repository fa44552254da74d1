//! The rules of the house: which crate may import which, how large things may grow, and what public text may not say.
//!
//! The table of imports is the drawing of the house; `docs/book/src/house.md` explains it. It lists the crates from the
//! ground up, and a line names only crates above it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use cargo_metadata::{DependencyKind, Metadata};

use crate::texts;
use crate::workspace::Workspace;

/// What a crate may import of ours.
enum May {
    /// Only these.
    Import(&'static [&'static str]),
    /// Every crate listed before it but these.
    ImportAllBut(&'static [&'static str]),
}

use May::{Import, ImportAllBut};

const HOUSE: &[(&str, May)] = &[
    ("kernel", Import(&[])),
    ("crypto", Import(&["kernel"])),
    ("tokens", Import(&["kernel", "crypto"])),
    ("authenticators", Import(&["kernel", "crypto"])),
    ("i18n", Import(&["kernel"])),
    ("relations", Import(&["kernel"])),
    ("policies", Import(&["kernel"])),
    ("storage", Import(&["kernel"])),
    ("audit", Import(&["kernel", "crypto", "storage"])),
    ("tenancy", Import(&["kernel", "crypto", "storage", "audit"])),
    ("keys", Import(&["kernel", "crypto", "storage", "audit", "tenancy"])),
    ("notify", Import(&["kernel", "crypto", "i18n", "storage", "audit", "tenancy", "keys"])),
    ("identity", Import(&["kernel", "crypto", "authenticators", "storage", "audit", "tenancy", "keys", "notify"])),
    ("session", Import(&["kernel", "crypto", "tokens", "storage", "audit", "tenancy", "keys", "identity"])),
    ("authorization", Import(&["kernel", "crypto", "storage", "audit", "tenancy", "identity", "relations"])),
    (
        "accounts",
        Import(&[
            "kernel",
            "crypto",
            "storage",
            "audit",
            "tenancy",
            "keys",
            "notify",
            "identity",
            "session",
            "authorization",
        ]),
    ),
    (
        "oauth",
        Import(&[
            "kernel",
            "crypto",
            "tokens",
            "storage",
            "audit",
            "tenancy",
            "keys",
            "notify",
            "identity",
            "session",
            "authorization",
        ]),
    ),
    (
        "federation",
        Import(&[
            "kernel",
            "crypto",
            "tokens",
            "storage",
            "audit",
            "tenancy",
            "keys",
            "notify",
            "identity",
            "session",
            "authorization",
            "accounts",
        ]),
    ),
    ("gate", Import(&["kernel", "crypto", "tokens"])),
    ("ui", Import(&["kernel", "i18n"])),
    ("http", ImportAllBut(&["policies"])),
    ("management", ImportAllBut(&["policies"])),
    ("claviger", ImportAllBut(&[])),
    ("testkit", ImportAllBut(&[])),
    ("spec", Import(&["testkit"])),
    ("bench", ImportAllBut(&["testkit", "spec"])),
];

/// The ground crate takes next to nothing from outside either.
const KERNEL_MAY_USE: &[&str] = &["serde", "zeroize"];

const LARGEST_CRATE: usize = 15_000;
const LARGEST_KERNEL: usize = 800;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut found = imports(&workspace.metadata);
    found.extend(sizes(workspace)?);
    found.extend(texts::breaches(workspace)?);
    for sentence in &found {
        println!("{sentence}");
    }
    ensure!(found.is_empty(), "the house's rules are broken in {} places", found.len());
    println!("{} crates stand as drawn.", workspace.metadata.workspace_packages().len());
    Ok(())
}

/// Imports that the table forbids, in the workspace as it is.
fn imports(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        if name.starts_with("claviger") && place(room(name)).is_none() {
            found.push(format!("{name} is not in the table of xtask/src/house.rs"));
        }
        for dependency in &package.dependencies {
            if dependency.path.is_some() && dependency.kind == DependencyKind::Development {
                found.extend(upside_down(name, &dependency.name));
            } else if dependency.path.is_some() {
                found.extend(forbidden(name, &dependency.name));
            } else if room(name) == "kernel" && dependency.kind == DependencyKind::Normal {
                found.extend(foreign_to_kernel(&dependency.name));
            }
        }
    }
    found
}

/// Tests may build on any crate listed before their own, but for `testkit`, which stands on all of them.
fn upside_down(importer: &str, wanted: &str) -> Option<String> {
    let below = place(room(wanted)).zip(place(room(importer))).is_some_and(|(wanted, importer)| wanted < importer);
    let allowed = below || forbidden(importer, wanted).is_none();
    (!allowed).then(|| format!("the tests of {importer} import {wanted}, which is not listed before it"))
}

/// What is wrong with one import, if anything.
fn forbidden(importer: &str, wanted: &str) -> Option<String> {
    let Some(at) = place(room(importer)) else {
        return Some(format!("{importer} imports {wanted}, but stands outside the house"));
    };
    let target = room(wanted);
    let (allowed, said) = match &HOUSE[at].1 {
        Import(names) => {
            (names.contains(&target), if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
        }
        ImportAllBut(names) => (
            place(target).is_some_and(|other| other < at) && !names.contains(&target),
            "crates listed before it".to_owned(),
        ),
    };
    (!allowed).then(|| format!("{importer} imports {wanted}; it may import {said}"))
}

fn foreign_to_kernel(dependency: &str) -> Option<String> {
    (!KERNEL_MAY_USE.contains(&dependency))
        .then(|| format!("claviger-kernel uses {dependency}; it may use {}", KERNEL_MAY_USE.join(", ")))
}

/// A package's folder name.
fn room(package: &str) -> &str {
    package.strip_prefix("claviger-").unwrap_or(package)
}

fn place(room: &str) -> Option<usize> {
    HOUSE.iter().position(|(name, _)| *name == room)
}

/// Crates that have grown too large.
fn sizes(workspace: &Workspace) -> Result<Vec<String>> {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for path in workspace.files()? {
        let Some(name) = crate_of(&path) else { continue };
        let text = workspace.text(&path)?.unwrap_or_default();
        // Tests at a file's end do not weigh on those who build upon the crate.
        let weight = text.lines().take_while(|line| !(name == "kernel" && line.starts_with("#[cfg(test)]"))).count();
        *lines.entry(name).or_default() += weight;
    }
    let heavy = lines.iter().filter_map(|(name, lines)| {
        let limit = if name == "kernel" { LARGEST_KERNEL } else { LARGEST_CRATE };
        (*lines > limit).then(|| format!("crates/{name} has {lines} lines of Rust; {limit} is the most"))
    });
    Ok(heavy.collect())
}

fn crate_of(path: &Path) -> Option<String> {
    let name = path.strip_prefix("crates").ok()?.iter().next()?.to_str()?;
    path.extension().is_some_and(|extension| extension == "rs").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_stands_as_drawn() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(imports(&workspace.metadata), [""; 0]);
    }

    #[test]
    fn no_crate_has_outgrown_its_place() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(sizes(&workspace).unwrap(), [""; 0]);
    }

    #[test]
    fn a_planted_import_is_refused_and_named() {
        let upward = forbidden("claviger-kernel", "claviger-storage").unwrap();
        assert_eq!(upward, "claviger-kernel imports claviger-storage; it may import nothing");
        let sideways = forbidden("claviger-oauth", "claviger-accounts").unwrap();
        assert!(sideways.starts_with("claviger-oauth imports claviger-accounts; it may import kernel, crypto,"));
        assert!(forbidden("claviger-http", "claviger-policies").is_some());
        assert!(forbidden("claviger-http", "claviger-management").is_some());
        assert!(forbidden("claviger-storage", "claviger-testkit").is_some());
        assert!(forbidden("xtask", "claviger-kernel").is_some());
        assert!(foreign_to_kernel("tokio").is_some());
    }

    #[test]
    fn an_import_along_the_drawing_passes() {
        for (importer, imported) in [
            ("claviger-audit", "claviger-storage"),
            ("claviger-http", "claviger-ui"),
            ("claviger-management", "claviger-http"),
            ("claviger", "claviger-policies"),
            ("claviger-spec", "claviger-testkit"),
        ] {
            assert_eq!(forbidden(importer, imported), None);
        }
    }

    #[test]
    fn the_book_draws_the_same_house() {
        let workspace = Workspace::find().unwrap();
        let page = workspace.text(Path::new("docs/book/src/house.md")).unwrap().unwrap();
        let drawn = page.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` |")?;
            let imports = rest.trim_end_matches(" |").rsplit("| ").next()?;
            (!name.ends_with('/')).then(|| (name.to_owned(), imports.to_owned()))
        });
        let table = HOUSE.iter().map(|(name, may)| {
            let imports = match may {
                Import([]) => "nothing".to_owned(),
                Import(names) => names.join(", "),
                ImportAllBut([]) => "all before it".to_owned(),
                ImportAllBut(names) => format!("all before it but {}", names.join(", ")),
            };
            ((*name).to_owned(), imports)
        });
        assert_eq!(drawn.collect::<Vec<_>>(), table.collect::<Vec<_>>());
    }

    #[test]
    fn the_table_itself_only_names_crates_listed_before() {
        for (at, (name, may)) in HOUSE.iter().enumerate() {
            let (Import(names) | ImportAllBut(names)) = may;
            for imported in *names {
                assert!(place(imported).is_some_and(|other| other < at), "{name}: {imported}");
            }
        }
    }
}
