//! Why a configuration does not let the process start. Every text names the setting and says what to do; none repeats
//! a value, which may be a secret.

use core::fmt;

/// From where a value came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table's default.
    Default,
    /// The file of this name.
    File(String),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("by default"),
            Self::File(name) => write!(f, "in {name}"),
            Self::Variable(name) => write!(f, "from the environment variable {name}"),
            Self::Flag(name) => write!(f, "from the flag {name}"),
        }
    }
}

/// The configuration is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The file is no TOML.
    #[error("{file}, line {line}: {problem}")]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A key that no setting has.
    #[error("unknown setting {key} {origin}{}", hint(.nearest.as_deref()))]
    Unknown {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The setting that was probably meant.
        nearest: Option<String>,
    },
    /// A variable that no setting has.
    #[error("unknown environment variable {name}{}", hint(.nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that was probably meant.
        nearest: Option<String>,
    },
    /// A secret in the file, where others read it.
    #[error("{key} does not belong {origin}: set the environment variable {variable} instead")]
    Misplaced {
        /// The setting.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// Where it belongs.
        variable: String,
    },
    /// A value that the setting cannot have.
    #[error("{key} ({origin}): {problem}")]
    Value {
        /// The setting.
        key: String,
        /// Where the value stands.
        origin: Origin,
        /// What it must be.
        problem: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
