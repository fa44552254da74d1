//! The commands that the book, the README and the examples tell people to type, read by the real parser.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;

use super::CommandLine;

/// A command as a page writes it.
struct Typed {
    place: String,
    words: Vec<String>,
    /// Within a sentence, where values may be left out.
    mentioned: bool,
}

/// Everything that a reader types into a shell; `text` is one page.
fn commands(page: &str, text: &str) -> Vec<Typed> {
    let mut found = Vec::new();
    let mut add = |number: usize, text: &str, mentioned| {
        let typed = parts(text).into_iter().filter(|words| words.first().is_some_and(|word| word == "claviger"));
        let place = format!("{page}, line {}", number + 1);
        found.extend(typed.map(|words| Typed { place: place.clone(), words, mentioned }));
    };
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            // Every second piece between backticks is code.
            line.split('`').skip(1).step_by(2).for_each(|code| add(number, code, true));
            continue;
        };
        let mut typed = String::new();
        for (number, line) in lines.by_ref().take_while(|(_, line)| !line.trim_start().starts_with("```")) {
            let line = line.trim();
            let command = match language {
                "sh" => line,
                "console" if !typed.is_empty() => line,
                "console" => line.strip_prefix("$ ").unwrap_or_default(),
                _ => "",
            };
            if let Some(begun) = command.strip_suffix('\\') {
                typed.push_str(begun);
            } else {
                typed.push_str(command);
                add(number, &typed, false);
                typed.clear();
            }
        }
    }
    found
}

/// The commands of one line, each as its words: quotes hold words together, `|`, `;` and `&` part commands, a comment ends
/// the line, and a variable before the command is not of it.
fn parts(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars().chain([' ']) {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (' ' | '|' | ';' | '&', None) => {
                let words = commands.last_mut().expect("it begins with one");
                words.extend(word.take().filter(|word| !words.is_empty() || !word.contains('=')));
                if letter != ' ' {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    commands
}

/// Why the parser does not take a command, if it does not.
fn refused(typed: &Typed) -> Option<String> {
    let words = typed.words.iter().filter(|word| !typed.mentioned || *word != "…");
    let error = CommandLine::try_parse_from(words).err()?;
    let good = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::InvalidValue => typed.mentioned,
        // `claviger COMMAND --help`: any of them.
        ErrorKind::InvalidSubcommand => typed.mentioned && typed.words[1] == "COMMAND",
        _ => false,
    };
    (!good).then(|| format!("{}: {}\n{error}", typed.place, typed.words.join(" ")))
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs/book/src", "docs/decisions", "examples/spa", "examples/native"] {
        let inside = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(inside.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages
}

#[test]
fn every_command_that_the_documentation_shows_is_one() {
    let mut found = Vec::new();
    for page in pages() {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(commands(&name, &fs::read_to_string(&page).unwrap()));
    }
    let (mentioned, typed): (Vec<_>, Vec<_>) = found.iter().partition(|command| command.mentioned);
    assert!(typed.len() > 20 && mentioned.len() > 20, "{} typed, {} mentioned", typed.len(), mentioned.len());
    let wrong: Vec<_> = found.iter().filter_map(refused).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_gone_would_be_noticed() {
    let page = "Take `claviger user list --at-risk`, `claviger user …` or `claviger COMMAND --help`.\n\
        ```console\n\
        $ KEY=a claviger --realm acme user show 'ada@example.com' # shows her\n\
        claviger is what it answers, and no command\n\
        $ claviger user list \\\n    --after x | claviger user disable\n\
        $ claviger user dismiss ada\n\
        ```\n\
        ```toml\n\
        claviger = nothing\n\
        ```\n\
        Then `claviger user list --risky`, `claviger usr`.\n\
        ```sh\n\
        claviger client update notes --settings '{\"a b\": 1}' & claviger realm list --risky; true\n\
        ```\n";
    let found = commands("page.md", page);
    assert_eq!(found.len(), 11);
    let wrong: Vec<_> = found.iter().filter(|typed| refused(typed).is_some()).collect();
    let lines: Vec<_> = wrong.iter().map(|typed| (typed.place.as_str(), typed.words.join(" "))).collect();
    assert_eq!(
        lines.iter().map(|(place, words)| (*place, words.as_str())).collect::<Vec<_>>(),
        [
            ("page.md, line 6", "claviger user disable"),
            ("page.md, line 7", "claviger user dismiss ada"),
            ("page.md, line 12", "claviger user list --risky"),
            ("page.md, line 12", "claviger usr"),
            ("page.md, line 14", "claviger realm list --risky"),
        ]
    );
}
