//! The modules of a crate, as its files declare them.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, ItemUse, UseTree};

/// The index of a module in [`Tree::modules`]; the crate itself is 0.
pub(super) type Id = usize;

/// All modules of a crate.
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
}

/// One module: a file, or an inline module within one.
pub(super) struct Module {
    pub(super) name: String,
    /// `None` for the crate.
    pub(super) parent: Option<Id>,
    /// `None` for an inline module.
    file: Option<PathBuf>,
    /// In the order of their declarations, which is the list that the rule is about.
    pub(super) children: Vec<Id>,
    /// The names of what the module defines itself.
    pub(super) defined: Vec<String>,
    pub(super) imports: Vec<Import>,
    pub(super) items: Vec<Item>,
    pub(super) attributes: Vec<Attribute>,
}

/// One path of a `use` declaration.
pub(super) struct Import {
    /// The name that it has here; `None` for a glob.
    pub(super) name: Option<String>,
    pub(super) path: Vec<String>,
}

impl Tree {
    /// Reads a crate from its `lib.rs` on.
    pub(super) fn read(root: &Path) -> Self {
        let mut tree = Self {
            modules: Vec::new(),
        };
        let folder = root.parent().unwrap();
        tree.add_file("crate", None, (root, folder));
        tree
    }

    /// The files of all modules.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.modules
            .iter()
            .filter_map(|module| module.file.as_ref())
    }

    /// The module of the file that a module is in.
    pub(super) fn of_file(&self, mut id: Id) -> Id {
        while self.modules[id].file.is_none() {
            id = self.modules[id].parent.expect("the crate is a file");
        }
        id
    }

    /// A module and those that hold it, outermost first.
    pub(super) fn ancestry(&self, id: Id) -> Vec<Id> {
        let mut line = vec![id];
        while let Some(parent) = self.modules[*line.last().expect("not empty")].parent {
            line.push(parent);
        }
        line.reverse();
        line
    }

    /// The child with a name.
    pub(super) fn child(&self, id: Id, name: &str) -> Option<Id> {
        let mut children = self.modules[id].children.iter().copied();
        children.find(|child| self.modules[*child].name == name)
    }

    /// A module's path in the crate.
    pub(super) fn path(&self, id: Id) -> String {
        let names = self.ancestry(id).into_iter().skip(1);
        let names: Vec<_> = names.map(|id| self.modules[id].name.as_str()).collect();
        if names.is_empty() {
            "crate".to_owned()
        } else {
            names.join("::")
        }
    }

    /// Adds the module of a file, whose children lie in `folder`.
    fn add_file(&mut self, name: &str, parent: Option<Id>, (file, folder): (&Path, &Path)) -> Id {
        let text = fs::read_to_string(file).unwrap();
        let syntax =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let id = self.add(name, parent, syntax.items, folder);
        self.modules[id].file = Some(file.to_owned());
        self.modules[id].attributes = syntax.attrs;
        id
    }

    fn add(&mut self, name: &str, parent: Option<Id>, items: Vec<Item>, folder: &Path) -> Id {
        let id = self.modules.len();
        self.modules.push(Module {
            name: name.to_owned(),
            parent,
            file: None,
            children: Vec::new(),
            defined: items.iter().filter_map(defined_name).collect(),
            imports: items.iter().flat_map(imports_of_item).collect(),
            items: Vec::new(),
            attributes: Vec::new(),
        });
        for item in items {
            let Item::Mod(module) = item else {
                self.modules[id].items.push(item);
                continue;
            };
            let name = module.ident.to_string();
            let below = folder.join(&name);
            let child = if let Some((_, items)) = module.content {
                self.add(&name, Some(id), items, &below)
            } else {
                let single = folder.join(format!("{name}.rs"));
                let file = if single.exists() {
                    single
                } else {
                    below.join("mod.rs")
                };
                self.add_file(&name, Some(id), (&file, &below))
            };
            self.modules[child].attributes.extend(module.attrs);
            self.modules[id].children.push(child);
        }
        id
    }
}

fn defined_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn imports_of_item(item: &Item) -> Vec<Import> {
    match item {
        Item::Use(item) => imports(item),
        _ => Vec::new(),
    }
}

/// The single paths of a `use` declaration; none if it begins with `::`, which only leads to other crates.
pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        flatten(&item.tree, &mut Vec::new(), &mut found);
    }
    found
}

fn flatten(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let (segment, name) = match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            flatten(&tree.tree, path, found);
            path.pop();
            return;
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path, found);
            }
            return;
        }
        UseTree::Glob(_) => (None, None),
        UseTree::Name(tree) => (Some(&tree.ident), Some(tree.ident.to_string())),
        UseTree::Rename(tree) => (Some(&tree.ident), Some(tree.rename.to_string())),
    };
    let mut path = path.clone();
    path.extend(segment.map(ToString::to_string));
    // `use a::{self}` names `a`.
    let is_self = path.len() > 1 && path.last().is_some_and(|last| last == "self");
    if is_self {
        path.pop();
    }
    let name = if is_self && name.as_deref() == Some("self") {
        path.last().cloned()
    } else {
        name
    };
    found.push(Import { name, path });
}
