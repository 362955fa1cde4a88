//! Reads an SVG document without letting it cost more than it should.
//!
//! An SVG can refer to files and hosts, which are never opened. It can also be small and become huge: by compression, by
//! entities, and by elements that are used many times. The size that it would have is computed before anything is built.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::usvg;
use usvg::roxmltree::{self, Document, Node, NodeId, ParsingOptions};

use super::bounded::decompressed;
use crate::errors::panic_message;

/// The maximum size of an SVG after decompression, in bytes.
pub const MAX_SVG_BYTES: usize = 8 << 20;

/// The maximum number of XML nodes.
const MAX_NODES: u32 = 200_000;

/// The maximum number of elements, counting those that are used several times as often.
const MAX_ELEMENTS: u64 = 100_000;

/// The maximum number of elements within each other, counting references.
const MAX_DEPTH: usize = 64;

/// The maximum number of rules in style sheets. Each of them is compared with each element.
const MAX_STYLE_RULES: usize = 1_000;

/// The maximum size that entities may add, in bytes.
const MAX_ENTITY_BYTES: u64 = 16 << 20;

/// How many times an entity can occur within a reference to another one (the limit of roxmltree).
const NESTED_ENTITIES: u64 = 256;

/// Why an SVG cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SvgError {
    /// The file has too many bytes after decompression.
    #[error("the SVG has more than {MAX_SVG_BYTES} bytes after decompression")]
    TooLarge,
    /// It is compressed and cannot be decompressed.
    #[error("the SVG cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// It is not encoded as UTF-8.
    #[error("the SVG is not encoded as UTF-8")]
    Encoding(#[source] std::str::Utf8Error),
    /// It is not XML.
    #[error("it is not an SVG ({0})")]
    Xml(#[source] roxmltree::Error),
    /// Its entities would become too large.
    #[error("the entities of the SVG could become too large")]
    Entities,
    /// It has too many elements.
    #[error(
        "the SVG has more than {MAX_ELEMENTS} elements, counting those that are used several times as often"
    )]
    TooManyElements,
    /// Its elements are nested too deeply.
    #[error("the SVG has more than {MAX_DEPTH} elements within each other")]
    TooDeep,
    /// It has too many style rules.
    #[error("the SVG has more than {MAX_STYLE_RULES} style rules")]
    TooManyRules,
    /// It is XML and not a valid SVG.
    #[error("it is not an SVG ({0})")]
    NotSvg(#[source] usvg::Error),
    /// The parser failed.
    #[error("the SVG cannot be read: {0}")]
    Parser(String),
}

/// The text of an SVG file, which may be compressed.
pub(super) fn text_of(bytes: &[u8]) -> Result<String, SvgError> {
    let content = decompressed(bytes, MAX_SVG_BYTES).map_err(SvgError::Compression)?;
    let content = content.ok_or(SvgError::TooLarge)?;
    let text = std::str::from_utf8(&content).map_err(SvgError::Encoding)?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Parses the XML of an SVG.
pub(super) fn parse(text: &str) -> Result<Document<'_>, SvgError> {
    check_entities(text)?;
    let options = ParsingOptions {
        // Illustrator declares the namespaces that it uses as entities.
        allow_dtd: true,
        nodes_limit: MAX_NODES,
        entity_resolver: None,
    };
    Document::parse_with_options(text, options).map_err(SvgError::Xml)
}

/// Builds the shapes of an SVG: styles are applied, references resolved, and all shapes are paths.
pub(super) fn build(document: &Document<'_>) -> Result<usvg::Tree, SvgError> {
    check_rules(document)?;
    Expansion::of(document)?;
    let options = usvg::Options {
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..usvg::Options::default()
    };
    let built = catch_unwind(AssertUnwindSafe(|| {
        usvg::Tree::from_xmltree(document, &options)
    }));
    built
        .map_err(|panic| SvgError::Parser(panic_message(&*panic).to_owned()))?
        .map_err(SvgError::NotSvg)
}

/// Checks how large a text can become when its entities are replaced.
fn check_entities(text: &str) -> Result<(), SvgError> {
    let declarations = text.split("<!ENTITY").skip(1);
    let Some(longest) = declarations.map(quoted_length).max() else {
        return Ok(());
    };
    let references = text.matches('&').count() as u64;
    if references.saturating_mul(NESTED_ENTITIES * longest as u64) > MAX_ENTITY_BYTES {
        return Err(SvgError::Entities);
    }
    Ok(())
}

/// The length of the first quoted value in a text.
fn quoted_length(text: &str) -> usize {
    let Some(start) = text.find(['"', '\'']) else {
        return 0;
    };
    let mark = char::from(text.as_bytes()[start]);
    let value = &text[start + 1..];
    value.find(mark).unwrap_or(value.len())
}

fn check_rules(document: &Document<'_>) -> Result<(), SvgError> {
    let sheets = document
        .descendants()
        .filter(|node| node.tag_name().name() == "style");
    let texts = sheets.flat_map(|sheet| sheet.descendants().filter_map(|node| node.text()));
    // A rule has one block, and a selector is separated from the next one by a comma.
    let rules: usize = texts.map(|text| text.matches(['{', ',']).count()).sum();
    if rules > MAX_STYLE_RULES {
        return Err(SvgError::TooManyRules);
    }
    Ok(())
}

/// What an element becomes when all its references are followed.
#[derive(Debug, Clone, Copy)]
struct Size {
    elements: u64,
    depth: usize,
}

/// Computes the size of a document in which each element is as often as it is used.
struct Expansion<'a, 'input> {
    by_id: HashMap<&'a str, Node<'a, 'input>>,
    /// `None` for an element that is being computed: a reference to itself is not followed.
    known: HashMap<NodeId, Option<Size>>,
}

impl<'a, 'input> Expansion<'a, 'input> {
    fn of(document: &'a Document<'input>) -> Result<Size, SvgError> {
        let with_id = document
            .descendants()
            .filter_map(|node| Some((node.attribute("id")?, node)));
        let mut expansion = Self {
            by_id: with_id.collect(),
            known: HashMap::new(),
        };
        expansion.size(document.root_element(), 0)
    }

    fn size(&mut self, node: Node<'a, 'input>, above: usize) -> Result<Size, SvgError> {
        if above >= MAX_DEPTH {
            return Err(SvgError::TooDeep);
        }
        match self.known.get(&node.id()) {
            Some(Some(size)) if above + size.depth > MAX_DEPTH => return Err(SvgError::TooDeep),
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                return Ok(Size {
                    elements: 0,
                    depth: 0,
                });
            }
            None => {}
        }
        self.known.insert(node.id(), None);
        let mut size = Size {
            elements: 1,
            depth: 0,
        };
        for child in node.children().filter(Node::is_element) {
            size.add(self.size(child, above + 1)?, 1)?;
        }
        for (target, times) in self.references(node) {
            size.add(self.size(target, above + 1)?, times)?;
        }
        size.depth += 1;
        self.known.insert(node.id(), Some(size));
        Ok(size)
    }

    /// The elements that this one refers to, and how often they are drawn for it.
    fn references(&self, node: Node<'a, 'input>) -> Vec<(Node<'a, 'input>, u64)> {
        let mut found = Vec::new();
        for attribute in node.attributes() {
            let value = attribute.value();
            if attribute.name() == "href" {
                let target = value.trim().strip_prefix('#');
                found.extend(
                    target
                        .and_then(|id| self.by_id.get(id))
                        .map(|node| (*node, 1)),
                );
                continue;
            }
            for rest in value.split("url(").skip(1) {
                let id = rest.split(')').next().unwrap_or_default();
                let id = id.trim_matches(['\'', '"', ' ']).trim_start_matches('#');
                // A marker is drawn at each point of a path, and a point takes at least two characters.
                let times = node.attribute("d").or(node.attribute("points"));
                let times = times.map_or(1, |data| 1 + data.len() as u64 / 2);
                let is_marker = |node: &Node<'_, '_>| node.tag_name().name() == "marker";
                if let Some(target) = self.by_id.get(id) {
                    found.push((*target, if is_marker(target) { times } else { 1 }));
                }
            }
        }
        found
    }
}

impl Size {
    /// Adds an element inside of this one.
    fn add(&mut self, inner: Self, times: u64) -> Result<(), SvgError> {
        self.elements = self
            .elements
            .saturating_add(inner.elements.saturating_mul(times));
        self.depth = self.depth.max(inner.depth);
        if self.elements > MAX_ELEMENTS {
            return Err(SvgError::TooManyElements);
        }
        Ok(())
    }
}
