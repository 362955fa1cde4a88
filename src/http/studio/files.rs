//! The files of the page.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::hex::lower_hex;

/// What stands in `index.html` for the folder of the other files.
const FOLDER: &str = "FOLDER";

/// What stands in `index.html` for the links that load all modules at once. Without them a browser would learn of a
/// module only when it has read the one that imports it.
const MODULES: &str = "<!-- MODULES -->";

/// The number of characters of a digest that distinguish two versions of a file.
const DIGEST_LENGTH: usize = 16;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// One file of the page.
#[derive(Debug)]
pub(super) struct PageFile {
    name: &'static str,
    media_type: &'static str,
    bytes: Vec<u8>,
    digest: String,
    compressed: Vec<u8>,
}

impl PageFile {
    fn new(name: &'static str, media_type: &'static str, text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        Self {
            name,
            media_type,
            digest: digest([&bytes[..]]),
            compressed: compress(&bytes),
            bytes,
        }
    }

    /// Its media type, with the character set.
    pub(super) fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// The contents.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The contents, compressed with gzip.
    pub(super) fn compressed(&self) -> &[u8] {
        &self.compressed
    }

    /// The beginning of the SHA-256 of the contents, in hexadecimal.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

macro_rules! files {
    ($($media_type:ident: [$($name:literal),+ $(,)?];)+) => {
        LazyLock::new(|| vec![$($(
            PageFile::new($name, $media_type, include_str!(concat!("page/", $name))),
        )+)+])
    };
}

/// Every file except `index.html`.
pub(super) static FILES: LazyLock<Vec<PageFile>> = files! {
    JAVASCRIPT: [
        "announce.js",
        "api.js",
        "app.js",
        "card.js",
        "compare.js",
        "drawing.js",
        "drawings.js",
        "events.js",
        "frames.js",
        "history.js",
        "history_list.js",
        "html.js",
        "icons.js",
        "inputs.js",
        "keep.js",
        "losses.js",
        "picture.js",
        "pace.js",
        "playback.js",
        "plot.js",
        "png.js",
        "prompt.js",
        "region.js",
        "schema.js",
        "settings.js",
        "share.js",
        "snippets.js",
        "svg.js",
        "token.js",
        "vendor/errors.js",
        "vendor/eventsource-parser.js",
        "vendor/hooks.js",
        "vendor/htm.js",
        "vendor/preact.js",
        "vendor/signals-core.js",
        "vendor/signals.js",
        "vendor/uplot.js",
    ];
    STYLE: ["style.css", "vendor/uplot.css"];
};

/// `index.html`, which names the folder of the others and all modules in it.
pub(super) static PAGE: LazyLock<PageFile> = LazyLock::new(|| {
    let modules = FILES.iter().filter(|file| file.media_type == JAVASCRIPT);
    let links: Vec<_> = modules
        .map(|file| {
            let name = file.name;
            format!(r#"<link rel="modulepreload" href="studio/{FOLDER}/{name}" />"#)
        })
        .collect();
    let text = include_str!("page/index.html")
        .replace(MODULES, &links.join("\n    "))
        .replace(FOLDER, folder());
    PageFile::new("index.html", HTML, &text)
});

/// The name of the folder: a digest of all files in it.
pub(super) fn folder() -> &'static str {
    static NAME: LazyLock<String> =
        LazyLock::new(|| digest(FILES.iter().map(|file| file.bytes.as_slice())));
    &NAME
}

/// The file of that name in the folder.
pub(super) fn folder_file(name: &str) -> Option<&'static PageFile> {
    FILES.iter().find(|file| file.name == name)
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut digits = lower_hex(&hasher.finalize());
    digits.truncate(DIGEST_LENGTH);
    digits
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/studio/page");
        let names = |path: &Path, prefix: &str| -> Vec<String> {
            let entries = std::fs::read_dir(path).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            let is_code = |path: &PathBuf| {
                let extension = path.extension();
                extension.is_some_and(|extension| extension == "js" || extension == "css")
            };
            paths
                .filter(is_code)
                .map(|path| prefix.to_owned() + path.file_name().unwrap().to_str().unwrap())
                .collect()
        };
        let mut there: BTreeSet<String> = names(&root, "").into_iter().collect();
        there.extend(names(&root.join("vendor"), "vendor/"));
        let built_in: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(there, built_in);
        let name = folder().as_bytes();
        let mut parts = PAGE.bytes.windows(name.len());
        assert!(parts.any(|part| part == name));
    }
}
