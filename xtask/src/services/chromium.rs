//! Chromium, started through a small script that gives it its libraries and fonts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::debian;
use crate::command;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The program to start as the browser.
pub(super) fn find(tools: &Path, unpack: bool) -> Result<PathBuf> {
    if !unpack && let Some(found) = NAMES.iter().find_map(|name| command::on_path(name)) {
        return Ok(found);
    }
    let packages = ["chromium", "fonts-liberation", "fonts-dejavu-core"];
    let root = debian::unpacked(tools, "chromium", &packages, unpack)?;
    let program = root.join("usr/lib/chromium/chromium");
    ensure!(program.is_file(), "the packages hold no Chromium");
    let fonts = root.join("fonts.conf");
    write(&fonts, &font_settings(&root))?;
    let mut libraries = debian::libraries(&root)?;
    libraries.push(root.join("usr/lib/chromium"));
    let libraries = std::env::join_paths(libraries).context("a folder's name cannot stand in a search path")?;
    let script = root.join("chromium");
    let text = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH='{}' FONTCONFIG_FILE='{}'\nexec '{}' \"$@\"\n",
        libraries.display(),
        fonts.display(),
        program.display()
    );
    write(&script, &text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).context("the browser's script")?;
    Ok(script)
}

/// The unpacked fonts and the machine's, with the rules that choose among them. Taking all rules that the package offers
/// would also take its sample that forgets every folder.
fn font_settings(root: &Path) -> String {
    const RULES: [&str; 4] = ["10-hinting-slight", "30-metric-aliases", "45-latin", "60-latin"];
    let root = root.display();
    let include = |rule| {
        format!("<include ignore_missing=\"yes\">{root}/usr/share/fontconfig/conf.avail/{rule}.conf</include>\n")
    };
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig>\n\
         <dir>{root}/usr/share/fonts</dir>\n<dir>/usr/share/fonts</dir>\n<cachedir>{root}/font-cache</cachedir>\n\
         {}</fontconfig>\n",
        RULES.map(include).concat()
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
