//! The layers of a crate: `lib.rs` and every `mod.rs` list their modules bottom-up, and a module may
//! use only what is listed above it.
//!
//! The rule, precisely. A path in module U leads to the module D that defines what it names: imports,
//! re-exports and aliases are followed to the definition. Let A be the innermost module that holds both.
//! - D is U or is within U: allowed. A module may use its own children.
//! - Otherwise the child of A that holds D has to be listed in A above the child of A that holds U.
//! - D is A itself: what a `mod.rs` or `lib.rs` defines counts as listed below all its children, so they
//!   may not use it. What it only re-exports counts as part of the module that defines it. In a folder `tests`, the `mod.rs` is what its tests
//!   share, and counts as listed above them.
//!
//! Test code obeys the same rule: a `mod tests;` has its place in the list, and an inline module belongs to
//! its file. Paths in macro calls and in attributes are read as well; paths in documentation are not.

mod rule;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use self::rule::violations;
use self::tree::Tree;

#[test]
fn every_module_of_the_product_uses_only_what_is_listed_above_it() {
    check(Path::new("src"));
}

#[test]
fn every_module_of_the_training_uses_only_what_is_listed_above_it() {
    check(Path::new("training/src"));
}

fn check(source: &Path) {
    let tree = Tree::read(&source.join("lib.rs"));
    let found = violations(&tree);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let mut unread = rust_files(source);
    // A program of its own, which sees only what the library makes public.
    unread.retain(|file| !tree.files().any(|read| read == file) && *file != source.join("main.rs"));
    assert!(unread.is_empty(), "no module declares {unread:?}");
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The violations in a crate of these files. Each file is its path and its text.
fn violations_in(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    violations(&Tree::read(&folder.path().join("lib.rs")))
}

/// A crate of `base`, `shapes` (with `line`, `area` and the folder `solid` of `cube` and `ball`) and `server`,
/// with `text` appended to the file at `path`.
fn with_planted(path: &str, text: &str) -> Vec<String> {
    let mut files = [
        ("lib.rs", "pub mod base; pub mod shapes; pub mod server;"),
        ("base.rs", "pub struct Number;"),
        (
            "shapes/mod.rs",
            "pub mod line; pub mod solid; pub mod area; pub use area::Area; pub struct Shape;",
        ),
        ("shapes/line.rs", "pub struct Line;"),
        (
            "shapes/area.rs",
            "use super::line::Line; pub struct Area(Line);",
        ),
        (
            "shapes/solid/mod.rs",
            "pub mod cube; pub mod ball; use cube::Cube;",
        ),
        (
            "shapes/solid/cube.rs",
            "pub struct Cube(crate::base::Number);",
        ),
        (
            "shapes/solid/ball.rs",
            "use super::super::line; use super::Cube; pub struct Ball(line::Line, Cube);",
        ),
        (
            "server.rs",
            "use crate::shapes::{Area, solid::ball::Ball}; pub struct Server(Area, Ball);",
        ),
    ]
    .map(|(path, text)| (path, text.to_owned()));
    let file = files.iter_mut().find(|(name, _)| *name == path).unwrap();
    file.1.push_str(text);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    violations_in(&files)
}

#[track_caller]
fn assert_found(path: &str, planted: &str, expected: &str) {
    let found = with_planted(path, planted);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with(expected), "{found:?}");
}

#[track_caller]
fn assert_allowed(path: &str, planted: &str) {
    let found = with_planted(path, planted);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_tree_that_keeps_the_rule_passes() {
    assert_allowed("base.rs", "");
}

#[test]
fn a_violation_in_a_nested_folder_is_found() {
    assert_found(
        "shapes/solid/cube.rs",
        "use crate::server::Server;",
        "shapes::solid::cube uses crate::server::Server, but server is listed below shapes",
    );
    assert_found(
        "shapes/solid/cube.rs",
        "use super::ball::Ball;",
        "shapes::solid::cube uses super::ball::Ball, but ball is listed below cube",
    );
}

#[test]
fn a_sibling_below_is_found_by_its_absolute_path() {
    assert_found(
        "shapes/line.rs",
        "use crate::shapes::area::Area;",
        "shapes::line uses crate::shapes::area::Area, but area is listed below line",
    );
}

#[test]
fn a_path_through_two_parents_is_found() {
    assert_found(
        "shapes/solid/ball.rs",
        "use super::super::super::server::Server;",
        "uses super::super::super::server::Server, but server is listed below shapes",
    );
    assert_found(
        "shapes/solid/ball.rs",
        "fn f(_: &super::super::area::Area) {}",
        "uses super::super::area::Area, but area is listed below solid",
    );
}

#[test]
fn a_name_through_the_reexport_of_a_parent_is_found() {
    assert_found(
        "shapes/line.rs",
        "use super::Area;",
        "uses super::Area, but area is listed below line",
    );
    assert_found(
        "shapes/solid/cube.rs",
        "use crate::shapes::Area;",
        "uses crate::shapes::Area, but area is listed below solid",
    );
    assert_found(
        "shapes/line.rs",
        "use super::Area as Renamed;",
        "uses super::Area, but area is listed below line",
    );
}

#[test]
fn a_name_through_a_glob_reexport_is_found() {
    let files = [
        ("lib.rs", "mod low; mod high; pub use high::*;"),
        ("low.rs", "use crate::High;"),
        ("high.rs", "pub struct High;"),
    ];
    let found = violations_in(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("uses crate::High, but high is listed below low"));
}

#[test]
fn what_a_parent_defines_is_below_its_children() {
    assert_found(
        "shapes/solid/cube.rs",
        "fn f(_: super::super::Shape) {}",
        "uses super::super::Shape, which the file of shapes defines for its own use",
    );
}

#[test]
fn every_kind_of_path_is_read() {
    let below = "but server is listed below base";
    for planted in [
        "use crate::{server::Server};",
        "use crate::{server};",
        "fn f() { crate::server::run(); }",
        "fn f() -> crate::server::Server { loop {} }",
        "fn f(x: u8) { if let crate::server::LIMIT = x {} }",
        "fn f() { println!(\"{}\", crate::server::LIMIT); }",
        "impl crate::server::Trait for Number {}",
        "#[cfg(test)] mod tests { use super::super::server::Server; }",
        "#[cfg(test)] mod tests { fn f() { crate::server::run(); } }",
        "#[serde(with = \"crate::server::format\")] struct S;",
        "fn f() { use crate::server::Server; }",
    ] {
        let found = with_planted("base.rs", planted);
        assert_eq!(found.len(), 1, "{planted}: {found:?}");
        assert!(found[0].ends_with(below), "{planted}: {found:?}");
    }
}

#[test]
fn an_alias_of_a_parent_hides_nothing() {
    assert_found(
        "shapes/line.rs",
        "use crate::shapes as all; fn f(_: all::area::Area) {}",
        "uses all::area::Area, but area is listed below line",
    );
    assert_found(
        "shapes/line.rs",
        "use crate as root; fn f(_: root::server::Server) {}",
        "uses root::server::Server, but server is listed below shapes",
    );
}

#[test]
fn modules_above_or_within_a_module_are_allowed() {
    assert_allowed(
        "shapes/area.rs",
        "use super::solid::ball::Ball; use crate::base::Number;",
    );
    assert_allowed(
        "shapes/mod.rs",
        "fn f(_: area::Area, _: self::solid::ball::Ball) {}",
    );
    assert_allowed("base.rs", "mod tests { use super::Number; use super::*; }");
    assert_allowed(
        "base.rs",
        "/// [`crate::server::Server`]\npub(in crate::base) struct S;",
    );
    assert_allowed("base.rs", "use std::server::Server; use ::server::Other;");
}
