//! The documentation: API docs without a warning, every page of the book reachable, every link leading somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, ensure};

use crate::command;
use crate::workspace::Workspace;

const BOOK: &str = "docs/book/src";
const SUMMARY: &str = "docs/book/src/SUMMARY.md";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let found = breaches(workspace)?;
    for sentence in &found {
        println!("{sentence}");
    }
    ensure!(found.is_empty(), "{} links or pages are lost", found.len());
    println!("Every page is in the summary and every link leads somewhere.");
    let mut cargo = workspace.cargo();
    cargo.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings");
    command::run(&mut cargo)
}

/// Pages outside the summary and links that lead nowhere.
fn breaches(workspace: &Workspace) -> Result<Vec<String>> {
    let files = workspace.files()?;
    let pages: Vec<&PathBuf> =
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    let read = |path: &Path| workspace.text(path).map(Option::unwrap_or_default);
    let mut found = Vec::new();
    let mut in_summary = BTreeSet::new();
    for page in &pages {
        for link in links(&read(page)?) {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let wanted = if target.is_empty() { (*page).clone() } else { beside(page, target) };
            if !workspace.root.join(&wanted).exists() {
                found.push(format!("{}: {link} leads nowhere", page.display()));
            } else if !anchor.is_empty() && !headings(&read(&wanted)?).contains(anchor) {
                found.push(format!("{}: {link} names no heading of that page", page.display()));
            }
            if page.as_path() == Path::new(SUMMARY) {
                in_summary.insert(wanted);
            }
        }
    }
    let lost = pages.iter().filter(|page| page.starts_with(BOOK) && page.as_path() != Path::new(SUMMARY));
    let lost = lost.filter(|page| !in_summary.contains(page.as_path()));
    found.extend(lost.map(|page| format!("{} is not in {SUMMARY}", page.display())));
    Ok(found)
}

/// The targets of a page's links, those to other sites and those in code aside.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        let mut rest = without_code(line);
        while let Some(at) = rest.find("](") {
            let after = rest.split_off(at + 2);
            let target = after.split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
            rest = after;
        }
    }
    found
}

/// The anchors of a page's headings, as renderers make them: lower case, words joined by hyphens, marks dropped.
fn headings(page: &str) -> BTreeSet<String> {
    let titles = prose(page).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles
        .map(|title| {
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// A page's lines outside fenced code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The path that `target` means on `page`.
fn beside(page: &Path, target: &str) -> PathBuf {
    let mut path = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_reachable_and_every_link_leads_somewhere() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(breaches(&workspace).unwrap(), [""; 0]);
    }

    #[test]
    fn links_are_read_and_code_is_not() {
        let page = "See [a](b.md#c), [d](https://e.test) and `[f](g.md)`.\n```\n[h](i.md)\n```\n[j](../k.md)\n";
        assert_eq!(links(page), ["b.md#c", "../k.md"]);
    }

    #[test]
    fn a_link_is_meant_from_its_page() {
        assert_eq!(beside(Path::new("docs/book/src/a.md"), "../../decisions/b.md"), Path::new("docs/decisions/b.md"));
    }

    #[test]
    fn a_heading_becomes_an_anchor() {
        assert!(headings("# x\n## Who may import `what`?\n").contains("who-may-import-what"));
    }
}
