//! Writes every page in every state to a folder, for a look at them without a server:
//! `cargo run -p claviger-ui --example gallery -- FOLDER [en|pseudo|rtl] [long]`.

use std::path::PathBuf;
use std::{env, fs, io};

use claviger_i18n::{Direction, Texts};
use claviger_ui::{Chrome, Samples, WebAddress, assets, gallery};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or_else(|| io::Error::other("name a folder to write to"))?);
    let mut chrome = Chrome::new("Acme");
    let mut samples = Samples::default();
    for argument in arguments {
        match argument.as_str() {
            "pseudo" => chrome.texts = Texts::pseudo(Direction::Ltr),
            "rtl" => chrome.texts = Texts::pseudo(Direction::Rtl),
            "long" => samples = Samples::long(),
            _ => {}
        }
    }
    chrome.nonce = "nonce".into();
    chrome.help = WebAddress::parse("https://acme.example/help");
    chrome.privacy = WebAddress::parse("https://acme.example/privacy");
    for asset in assets() {
        let path = folder.join(asset.path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("an asset stands in a folder"))?;
        fs::write(path, asset.bytes)?;
    }
    for specimen in gallery(&chrome, &samples) {
        fs::write(folder.join(specimen.name).with_added_extension("html"), specimen.html)?;
    }
    Ok(())
}
