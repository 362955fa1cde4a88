//! Finds the paths in a crate that violate the order of its modules.

use std::sync::LazyLock;

use regex::Regex;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemUse, Macro, Meta, Path, Visibility};

use super::tree::{Id, Import, Module, Tree, imports};

/// Paths in the text of a macro call or an attribute.
static PATHS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Za-z_]\w*(\s*::\s*[A-Za-z_]\w*)+").expect("a valid pattern")
});

/// Re-exports of re-exports are followed this far, so that two globs of each other come to an end.
const DEPTH: usize = 16;

/// What a path leads to.
#[derive(Clone, Copy)]
enum Target {
    /// The module itself, which is nothing yet: the paths through it are checked.
    Module(Id),
    /// Something that the module defines.
    Item(Id),
}

/// A sentence for each path that breaks the rule.
pub(super) fn violations(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (id, module) in tree.modules.iter().enumerate() {
        let (paths, local) = paths_of(module);
        for path in paths {
            if let Some(target) = resolve_from(tree, (id, &local), &path)
                && let Some(why) = fault(tree, tree.of_file(id), target)
            {
                let user = tree.path(tree.of_file(id));
                let sentence = format!("{user} uses {}, {why}", path.join("::"));
                if !found.contains(&sentence) {
                    found.push(sentence);
                }
            }
        }
    }
    found
}

/// Why a module may not use a target, if it may not.
fn fault(tree: &Tree, user: Id, target: Target) -> Option<String> {
    let (Target::Module(id) | Target::Item(id)) = target;
    let (users, useds) = (tree.ancestry(user), tree.ancestry(tree.of_file(id)));
    let shared = users.iter().zip(&useds).take_while(|(a, b)| a == b).count();
    let ancestor = users[shared - 1];
    let &own = users.get(shared)?;
    let Some(&used) = useds.get(shared) else {
        // The `mod.rs` of a `tests` folder is what its tests share.
        if tree.modules[ancestor].name == "tests" {
            return None;
        }
        let defines = format!(
            "which the file of {} defines for its own use",
            tree.path(ancestor)
        );
        return matches!(target, Target::Item(_)).then_some(defines);
    };
    let list = &tree.modules[ancestor].children;
    let rank = |id| list.iter().position(|child| *child == id);
    let below = rank(used) > rank(own);
    below.then(|| {
        let [used, own] = [used, own].map(|id| &tree.modules[id].name);
        format!("but {used} is listed below {own}")
    })
}

/// Follows a path that stands in a module. `None` if it leads out of the crate, or names something local.
fn resolve_from(tree: &Tree, (id, local): (Id, &[Import]), path: &[String]) -> Option<Target> {
    let first = path.first()?;
    let relative = matches!(first.as_str(), "crate" | "self" | "super");
    if !relative
        && let Some(import) = local
            .iter()
            .find(|import| import.name.as_ref() == Some(first))
    {
        let mut whole = import.path.clone();
        whole.extend_from_slice(&path[1..]);
        return resolve(tree, id, &whole, DEPTH);
    }
    resolve(tree, id, path, DEPTH)
}

fn resolve(tree: &Tree, mut id: Id, path: &[String], depth: usize) -> Option<Target> {
    if depth == 0 {
        return None;
    }
    let mut names = path.iter();
    let mut rest = names.as_slice();
    let mut relative = false;
    while let Some(name) = names.next() {
        match name.as_str() {
            "crate" => id = 0,
            "self" => {}
            "super" => id = tree.modules[id].parent?,
            _ => break,
        }
        relative = true;
        rest = names.as_slice();
    }
    let mut here = Target::Module(id);
    for (step, name) in rest.iter().enumerate() {
        let Target::Module(module) = here else { break };
        here = match lookup(tree, module, name, depth - 1) {
            Some(found) => found,
            // A first name that the module does not know is a crate, a type or a variable.
            None if step == 0 && !relative => return None,
            None => Target::Item(module),
        };
    }
    Some(here)
}

/// What a name is in a module.
fn lookup(tree: &Tree, id: Id, name: &str, depth: usize) -> Option<Target> {
    let module = &tree.modules[id];
    if let Some(child) = tree.child(id, name) {
        return Some(Target::Module(child));
    }
    if module.defined.iter().any(|defined| defined == name) {
        return Some(Target::Item(id));
    }
    let named = module
        .imports
        .iter()
        .find(|import| import.name.as_deref() == Some(name));
    if let Some(import) = named {
        // `use serde;` in a module has the name that it leads to.
        return (import.path != [name]).then(|| resolve(tree, id, &import.path, depth))?;
    }
    if depth == 0 {
        return None;
    }
    let globs = module.imports.iter().filter(|import| import.name.is_none());
    let mut targets = globs.filter_map(|glob| match resolve(tree, id, &glob.path, depth - 1)? {
        Target::Module(from) if from != id => lookup(tree, from, name, depth - 1),
        _ => None,
    });
    targets.next()
}

/// The paths that stand in a module, and what its functions import for themselves. Its inline modules
/// are modules of their own.
fn paths_of(module: &Module) -> (Vec<Vec<String>>, Vec<Import>) {
    let mut collector = Collector::default();
    for item in &module.items {
        collector.visit_item(item);
    }
    for attribute in &module.attributes {
        collector.visit_attribute(attribute);
    }
    (collector.paths, collector.imports)
}

#[derive(Default)]
struct Collector {
    paths: Vec<Vec<String>>,
    imports: Vec<Import>,
}

impl Collector {
    fn read_text(&mut self, text: &str) {
        for path in PATHS.find_iter(text) {
            let names = path.as_str().split("::").map(|name| name.trim().to_owned());
            self.paths.push(names.collect());
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let imports = imports(item);
        self.paths
            .extend(imports.iter().map(|import| import.path.clone()));
        self.imports.extend(imports);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        // A single name is defined here or imported, and the import is checked.
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let names = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.paths.push(names.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.read_text(&call.tokens.to_string());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // Documentation is an attribute too, but of the form `doc = "..."`.
        if let Meta::List(list) = &attribute.meta {
            self.read_text(&list.tokens.to_string());
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in crate::shapes)` uses nothing.
    }
}
