//! Values in styles that the parser does not know, and declarations that it cannot read.
//!
//! It takes `var(--ink)` for a colour that it cannot read, and paints black or nothing. A custom property that is the same in
//! the whole file is put in its place here, or the value that the reference itself names for want of a property.

use std::collections::{BTreeSet, HashMap};

use resvg::usvg::roxmltree::{Document, Node};
use svgtypes::Paint;

use super::document;
use super::svg_error::MAX_SVG_BYTES;
use super::unreadable;

/// The properties with a colour, but for those of filters.
const PAINTS: [&str; 4] = ["fill", "stroke", "stop-color", "color"];

/// Selectors of the outermost element or of all elements.
const EVERYWHERE: [&str; 3] = [":root", "svg", "*"];

/// Values that mean something else than themselves in a custom property.
const KEYWORDS: [&str; 5] = ["inherit", "initial", "revert", "revert-layer", "unset"];

/// The beginning of a reference to a custom property.
const REFERENCE: &str = "var(";

/// The maximum length of a reference and of what it stands for, in bytes.
const MAX_VALUE_BYTES: usize = 1000;

/// The maximum number of references that are resolved.
const MAX_REFERENCES: usize = 20_000;

/// The maximum number of references within each other.
const MAX_DEPTH: usize = 16;

/// The text of an SVG with the values of custom properties in the place of references to them, as far as they are known,
/// with `currentColor` as the parser writes it, and without declarations that it cannot read; `None` if nothing changes.
pub(crate) fn resolved(document: &Document<'_>) -> Option<String> {
    let Some(text) = with_values(document) else {
        return unreadable::removed(document);
    };
    let readable = document::parse(&text);
    let readable = readable
        .ok()
        .and_then(|document| unreadable::removed(&document));
    Some(readable.unwrap_or(text))
}

/// The text as in [`resolved`], before such declarations are removed from it.
fn with_values(document: &Document<'_>) -> Option<String> {
    let text = document.input_text();
    if text.matches(REFERENCE).count() > MAX_REFERENCES {
        return None;
    }
    let mut properties = Properties::of(document);
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(REFERENCE) {
        let (before, found) = rest.split_at(start);
        resolved.push_str(before);
        let reference = Reference::at(found);
        let value = reference.and_then(|reference| properties.value(&reference, MAX_DEPTH));
        let (value, length) = match (&value, reference) {
            // What may be within quotes stays so.
            (Some(value), Some(reference)) if !value.contains(['"', '\'', '<', '&']) => {
                (value.as_str(), reference.length)
            }
            _ => (REFERENCE, REFERENCE.len()),
        };
        resolved.push_str(value);
        if resolved.len() > MAX_SVG_BYTES {
            return None;
        }
        rest = &found[length..];
    }
    resolved.push_str(rest);
    let resolved = resolved.replace("currentcolor", "currentColor");
    (resolved != text).then_some(resolved)
}

/// How many different colours of an SVG the parser cannot read.
pub(crate) fn unread_colors(document: &Document<'_>) -> usize {
    let mut unread = BTreeSet::new();
    let mut check = |name: &str, value: &str| {
        let is_read = value.is_empty() || value == "initial" || Paint::from_str(value).is_ok();
        if PAINTS.contains(&name) && !is_read {
            unread.insert(value.to_owned());
        }
    };
    for element in document.descendants().filter(is_painted) {
        for name in PAINTS {
            check(name, element.attribute(name).unwrap_or_default().trim());
        }
    }
    for_each_declaration(document, |_, name, value| check(name, value));
    unread.len()
}

/// Whether an element is one of SVG for which `fill` is a colour.
fn is_painted(node: &Node<'_, '_>) -> bool {
    let tag = node.tag_name();
    let is_svg = matches!(tag.namespace(), None | Some("http://www.w3.org/2000/svg"));
    node.is_element() && is_svg && !tag.name().starts_with("animate") && tag.name() != "set"
}

/// Calls a function with each declaration in the style sheets and styles of a document: whether it applies everywhere, its
/// name, and its value. Those that apply only to some media are left out, as the parser does it.
fn for_each_declaration(document: &Document<'_>, mut each: impl FnMut(bool, &str, &str)) {
    for element in document.descendants().filter(is_painted) {
        if let Some(style) = element.attribute("style") {
            let is_outermost = element == document.root_element();
            let style = without_comments(style);
            declarations(&style).for_each(|(name, value)| each(is_outermost, name, value));
        }
        if element.tag_name().name() == "style" {
            let sheet = without_comments(element.text().unwrap_or_default());
            for (selectors, block) in rules(&sheet) {
                let mut selectors = selectors.split(',');
                let is_everywhere = selectors.any(|one| EVERYWHERE.contains(&one.trim()));
                declarations(block).for_each(|(name, value)| each(is_everywhere, name, value));
            }
        }
    }
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once("*/").map_or("", |(_, after)| after)
    })
}

/// The selectors and the declarations of each rule in a style sheet, without those that begin with `@`.
fn rules(sheet: &str) -> Vec<(&str, &str)> {
    let mut rules = Vec::new();
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once('{') {
        // `@import` has no block.
        let selectors = before.rsplit(';').next().unwrap_or_default().trim();
        let end = if selectors.starts_with('@') {
            end_of_block(after)
        } else {
            let end = after.find('}').unwrap_or(after.len());
            rules.push((selectors, &after[..end]));
            end
        };
        rest = after.get(end + 1..).unwrap_or_default();
    }
    rules
}

/// Where a block ends that can contain others.
fn end_of_block(text: &str) -> usize {
    let mut depth = 1;
    let end = text.bytes().position(|byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        depth == 0
    });
    end.unwrap_or(text.len())
}

/// The names and values of declarations, without `!important`.
fn declarations(block: &str) -> impl Iterator<Item = (&str, &str)> {
    block.split(';').filter_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let value = value.trim();
        let value = match value.rsplit_once('!') {
            Some((value, important)) if important.trim() == "important" => value.trim_end(),
            _ => value,
        };
        Some((name.trim(), value))
    })
}

/// `var(--name, fallback)`.
#[derive(Clone, Copy)]
struct Reference<'a> {
    name: &'a str,
    fallback: Option<&'a str>,
    /// Of all of it, in bytes.
    length: usize,
}

impl<'a> Reference<'a> {
    /// The reference that a text begins with.
    fn at(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix(REFERENCE)?;
        let mut depth = 1;
        let end = inner.bytes().take(MAX_VALUE_BYTES).position(|byte| {
            depth += i32::from(byte == b'(') - i32::from(byte == b')');
            depth == 0
        })?;
        let (name, fallback) = match inner[..end].split_once(',') {
            Some((name, fallback)) => (name, Some(fallback.trim())),
            None => (&inner[..end], None),
        };
        Some(Self {
            name: name.trim(),
            fallback,
            length: REFERENCE.len() + end + 1,
        })
    }
}

/// The custom properties of a document.
#[derive(Default)]
struct Properties {
    by_name: HashMap<String, Property>,
    /// What is known of the values without references; `None` while one is being resolved, and if it cannot be.
    resolved: HashMap<String, Option<String>>,
}

struct Property {
    value: String,
    /// Whether an element without a value of its own has this one.
    is_everywhere: bool,
    has_others: bool,
}

impl Properties {
    fn of(document: &Document<'_>) -> Self {
        let mut properties = Self::default();
        for_each_declaration(document, |is_everywhere, name, value| {
            if !name.starts_with("--") {
                return;
            }
            let property = properties.by_name.entry(name.to_owned());
            let property = property.or_insert_with(|| Property {
                value: value.to_owned(),
                is_everywhere: false,
                has_others: KEYWORDS.contains(&value),
            });
            property.is_everywhere |= is_everywhere;
            property.has_others |= property.value != value;
        });
        properties
    }

    /// What a reference stands for at any place of the document; `None` if that is not known.
    fn value(&mut self, reference: &Reference<'_>, depth: usize) -> Option<String> {
        let Some(property) = self.by_name.get(reference.name) else {
            return self.expanded(reference.fallback?, depth);
        };
        if property.has_others || !property.is_everywhere {
            return None;
        }
        if let Some(known) = self.resolved.get(reference.name) {
            return known.clone();
        }
        let value = property.value.clone();
        self.resolved.insert(reference.name.to_owned(), None);
        let value = self.expanded(&value, depth);
        self.resolved
            .insert(reference.name.to_owned(), value.clone());
        value
    }

    /// A value without references.
    fn expanded(&mut self, value: &str, depth: usize) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        let mut expanded = String::new();
        let mut rest = value;
        while let Some((before, _)) = rest.split_once(REFERENCE) {
            let reference = Reference::at(&rest[before.len()..])?;
            expanded.push_str(before);
            expanded.push_str(&self.value(&reference, depth)?);
            rest = &rest[before.len() + reference.length..];
        }
        expanded.push_str(rest);
        (expanded.len() <= MAX_VALUE_BYTES).then_some(expanded)
    }
}
