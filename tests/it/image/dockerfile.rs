//! The Dockerfile and `.dockerignore`, parsed as Docker does.

use std::collections::BTreeSet;

use super::{root, source};

/// One instruction with its words; a word may be a flag.
struct Instruction {
    name: String,
    rest: String,
}

impl Instruction {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.rest
            .split_whitespace()
            .filter(|word| !word.starts_with("--"))
    }

    fn flag(&self, name: &str) -> Option<&str> {
        let start = format!("--{name}=");
        self.rest
            .split_whitespace()
            .find_map(|word| word.strip_prefix(start.as_str()))
    }

    /// The words of a list such as `["a", "b"]`, wherever it begins.
    fn list(&self) -> Vec<String> {
        let begin = self.rest.find('[').unwrap();
        serde_json::from_str(&self.rest[begin..]).unwrap()
    }
}

fn instructions() -> Vec<Instruction> {
    let text = source("Dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| Instruction {
            name: name.to_owned(),
            rest: rest.trim().to_owned(),
        })
        .collect()
}

/// The instructions of the stage that becomes the image.
fn last_stage() -> Vec<Instruction> {
    let mut all = instructions();
    let begin = all.iter().rposition(|one| one.name == "FROM").unwrap();
    all.split_off(begin)
}

fn only<'a>(stage: &'a [Instruction], name: &str) -> &'a Instruction {
    let mut found = stage.iter().filter(|one| one.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "two of {name}");
    first
}

/// Where the last stage puts files, and from where: a path here or `stage:/path`.
fn placed() -> Vec<(String, String)> {
    let stage = last_stage();
    let copies = stage.iter().filter(|one| one.name == "COPY");
    copies
        .map(|copy| {
            let words: Vec<_> = copy.words().collect();
            let [from, to] = words[..] else {
                panic!("more than one source: {}", copy.rest)
            };
            let origin = copy
                .flag("from")
                .map_or(from.to_owned(), |stage| format!("{stage}:{from}"));
            (to.to_owned(), origin)
        })
        .collect()
}

fn origin(place: &str) -> String {
    let found = placed().into_iter().find(|(to, _)| to == place);
    found
        .unwrap_or_else(|| panic!("nothing is put at {place}"))
        .1
}

/// Whether one component of a path matches one of a pattern with at most one star.
fn component_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

/// Whether a line of `.dockerignore` excludes a path, or a folder that it is in.
fn hides(pattern: &str, path: &str) -> bool {
    let names: Vec<_> = path.split('/').collect();
    let (anywhere, pattern) = match pattern.strip_prefix("**/") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let wanted: Vec<_> = pattern.split('/').collect();
    let mut windows = names.windows(wanted.len());
    let matches = |window: &[&str]| {
        let mut pairs = wanted.iter().zip(window);
        pairs.all(|(pattern, name)| component_matches(pattern, name))
    };
    if anywhere {
        windows.any(matches)
    } else {
        windows.next().is_some_and(matches)
    }
}

fn hidden(path: &str) -> bool {
    let patterns = source(".dockerignore");
    let patterns = patterns
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    // The last pattern that matches decides, and `!` makes an exception.
    patterns.fold(false, |hidden, pattern| match pattern.strip_prefix('!') {
        Some(exception) => hidden && !hides(exception, path),
        None => hidden || hides(pattern, path),
    })
}

#[test]
fn the_reader_of_dockerignore_supports_its_patterns() {
    assert!(hides("target", "target/release/clipdraw"));
    assert!(hides("weights/*.pt", "weights/a.pt"));
    assert!(hides("**/__pycache__", "scripts/__pycache__/a"));
    assert!(!hides("target", "src/target"));
    assert!(!hides("weights/*.pt", "weights/a.safetensors"));
    assert!(hidden("target/debug") && hidden(".git/config"));
    assert!(hidden("fuzz/fuzz_targets") && !hidden("fuzz/Cargo.toml"));
}

#[test]
fn every_file_that_the_image_is_made_from_is_there_and_not_ignored() {
    let all = instructions();
    let copies = all
        .iter()
        .filter(|one| one.name == "COPY" && one.flag("from").is_none());
    let mut count = 0;
    for copy in copies {
        let words: Vec<_> = copy.words().collect();
        for name in &words[..words.len() - 1] {
            assert!(root().join(name).exists(), "{name} is not there");
            assert!(!hidden(name), "{name} is ignored");
            count += 1;
        }
    }
    assert!(count > 10, "only {count} files are copied");
}

#[test]
fn a_stage_is_declared_before_it_is_used() {
    let mut known = BTreeSet::new();
    for one in instructions() {
        if let Some(stage) = one.flag("from") {
            assert!(known.contains(stage), "{stage}: {}", one.rest);
        }
        if one.name == "FROM" {
            let words: Vec<_> = one.words().collect();
            if let [_, "AS", name] = words[..] {
                known.insert(name.to_owned());
            }
        }
    }
    for device in ["cpu", "cuda"] {
        for stage in ["runtime", "libtorch"] {
            assert!(known.contains(&format!("{stage}-{device}")), "{device}");
        }
    }
    assert_eq!(only(&last_stage(), "FROM").rest, "runtime-${DEVICE}");
}

#[test]
fn what_is_compiled_in_reaches_the_compiler() {
    let all = instructions();
    let copied: Vec<_> = all
        .iter()
        .filter(|one| one.name == "COPY" && one.flag("from").is_none())
        .flat_map(Instruction::words)
        .collect();
    let mut folders = vec![root().join("src")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for name in text.split("include_bytes!(\"").skip(1) {
                    let name = name.split('"').next().unwrap();
                    let beside = path.parent().unwrap().join(name);
                    let included = beside.canonicalize().unwrap();
                    let name = included.strip_prefix(root().canonicalize().unwrap());
                    let name = name.unwrap().to_str().unwrap();
                    let reaches =
                        |copy: &&str| name == *copy || name.starts_with(&format!("{copy}/"));
                    assert!(copied.iter().any(reaches), "{name} is not copied");
                    assert!(!hidden(name), "{name} is ignored");
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 2, "the model and the vocabulary are compiled in");
}

#[test]
fn the_image_starts_what_it_contains_and_not_as_root() {
    let stage = last_stage();
    let command = only(&stage, "CMD").list();
    assert_eq!(command, ["/usr/local/bin/clipdraw", "serve"]);
    assert_eq!(origin(&command[0]), "build:/usr/local/bin/clipdraw");
    assert_eq!(only(&stage, "ENTRYPOINT").list(), ["/sbin/tini", "--"]);
    let health = only(&stage, "HEALTHCHECK").list();
    assert_eq!(origin(&health[0]), "docker/health");
    assert_eq!(origin("/usr/local/bin/python"), "docker/python");
    // Kubernetes can tell that it is not root only by a number.
    let user = &only(&stage, "USER").rest;
    let number = user.split(':').next().unwrap().parse::<u32>().unwrap();
    assert!(number > 0);
    assert_eq!(only(&stage, "EXPOSE").rest, "5000");
    assert_eq!(only(&stage, "WORKDIR").rest, "/src");
    let after_user = stage.iter().skip_while(|one| one.name != "USER");
    assert!(
        after_user
            .skip(1)
            .all(|one| one.name != "RUN" && one.name != "COPY")
    );
}

#[test]
fn weights_are_outside_the_folder_that_cog_hides() {
    assert_eq!(origin("/weights"), "weights:/weights");
    assert!(placed().iter().all(|(place, _)| !place.starts_with("/src")));
    let stage = last_stage();
    let environment = stage.iter().find(|one| one.name == "ENV").unwrap();
    assert_eq!(environment.rest, "CLIPDRAW_WEIGHTS_DIR=/weights");
}

#[test]
fn versions_are_those_of_the_project() {
    let value = |name: &str| {
        let start = format!("{name}=");
        let found = instructions()
            .into_iter()
            .filter(|one| one.name == "ARG")
            .find_map(|one| one.rest.strip_prefix(&start).map(str::to_owned));
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let setup = source("scripts/setup");
    assert!(setup.contains(&format!("\nTORCH_VERSION={}\n", value("TORCH_VERSION"))));
    let manifest = source("Cargo.toml");
    assert!(manifest.contains(&format!("rust-version = \"{}\"", value("RUST_VERSION"))));
    assert_eq!(value("DEVICE"), "cuda", "cog.yaml asks for a GPU");
    assert!(value("WEIGHTS").is_empty(), "the embedded model is enough");
}

#[test]
fn cog_can_put_its_document_into_the_build() {
    // `cog build` refuses a .dockerignore that hides this folder.
    assert!(!hidden(".cog") && !hidden(".cog/openapi_schema.json"));
}
