//! Reads an SVG document without letting it cost more than it should.
//!
//! An SVG can refer to files and hosts, which are never opened. It can also be small and become huge: by compression, by
//! entities, and by elements that are used many times. The size that it would have is computed before anything is built.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use resvg::usvg;
use usvg::roxmltree::{self, Document, Node, NodeId, ParsingOptions};

use super::bounded::decompressed;
use super::encoding;
use super::numbers::{self, MAX_NUMBER, MAX_WIDTH};
use crate::errors::panic_message;

/// The maximum size of an SVG after decompression, in bytes.
pub const MAX_SVG_BYTES: usize = 10 << 20;

/// The maximum number of XML nodes.
const MAX_NODES: u32 = 200_000;

/// The maximum number of attributes of an element. The parser compares each of them with all others.
const MAX_ATTRIBUTES: usize = 500;

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
    /// It is in an encoding that is not read.
    #[error("the SVG is encoded neither as UTF-8 nor as UTF-16")]
    Encoding,
    /// It is no text.
    #[error("it is not an SVG")]
    NoText,
    /// An element has too many attributes.
    #[error("an element of the SVG has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// It is not XML.
    #[error("it is not an SVG")]
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
    /// A number would keep the parser busy for minutes.
    #[error(
        "the SVG has a number above {MAX_NUMBER:e} or a stroke that is wider than {MAX_WIDTH:e}"
    )]
    LargeNumber,
    /// It is XML and not a valid SVG.
    #[error("it is not an SVG")]
    NotSvg(#[source] usvg::Error),
    /// The parser failed.
    #[error("the SVG cannot be read: {0}")]
    Parser(String),
}

/// The text of an SVG file, which may be compressed.
pub(super) fn text_of(bytes: &[u8]) -> Result<String, SvgError> {
    let content = decompressed(bytes, MAX_SVG_BYTES).map_err(SvgError::Compression)?;
    let content = content.ok_or(SvgError::TooLarge)?;
    encoding::decoded(&content).ok_or_else(|| {
        let is_svg = content.windows(4).any(|bytes| bytes == b"<svg");
        if is_svg {
            SvgError::Encoding
        } else {
            SvgError::NoText
        }
    })
}

/// Parses the XML of an SVG.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, SvgError> {
    check_entities(text)?;
    check_attributes(text)?;
    let options = ParsingOptions {
        // Illustrator declares the namespaces that it uses as entities.
        allow_dtd: true,
        nodes_limit: MAX_NODES,
        entity_resolver: None,
    };
    Document::parse_with_options(text, options).map_err(SvgError::Xml)
}

/// Builds the shapes of an SVG: styles are applied, references resolved, and all shapes are paths.
pub(crate) fn build(document: &Document<'_>) -> Result<usvg::Tree, SvgError> {
    build_with_style(document, None)
}

/// The same with a style sheet, which applies before those of the document.
pub(super) fn build_with_style(
    document: &Document<'_>,
    style_sheet: Option<String>,
) -> Result<usvg::Tree, SvgError> {
    check_rules(document)?;
    Expansion::of(document)?;
    if !numbers::are_bounded(document) {
        return Err(SvgError::LargeNumber);
    }
    let options = usvg::Options {
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        style_sheet,
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

/// Checks how many attributes the elements have, before anything is parsed. Each attribute has a quoted value.
fn check_attributes(text: &str) -> Result<(), SvgError> {
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find(|(opening, _)| rest.starts_with(opening));
        if let Some((opening, closing)) = skipped {
            let end = rest[opening.len()..].find(closing);
            let Some(end) = end else { return Ok(()) };
            rest = &rest[opening.len() + end + closing.len()..];
            continue;
        }
        let (values, length) = quoted_values(rest);
        if values > MAX_ATTRIBUTES {
            return Err(SvgError::TooManyAttributes);
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// The number of quoted values in the tag that a text begins with, and the length of the tag in bytes.
fn quoted_values(text: &str) -> (usize, usize) {
    let (mut values, mut open) = (0, None);
    for (place, byte) in text.bytes().enumerate() {
        match (open, byte) {
            (Some(mark), byte) if byte == mark => open = None,
            (None, b'"' | b'\'') => {
                values += 1;
                open = Some(byte);
            }
            (None, b'>') => return (values, place + 1),
            _ => {}
        }
    }
    (values, text.len())
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
    /// Bytes of the data of paths.
    data: u64,
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
            Some(None) => return Ok(Size::NOTHING),
            None => {}
        }
        self.known.insert(node.id(), None);
        let mut size = Size {
            elements: 1,
            depth: 0,
            data: data_length(node),
        };
        for child in node.children().filter(Node::is_element) {
            size.add(self.size(child, above + 1)?, 1)?;
        }
        let targets = self.references(node);
        let (markers, others): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|target| target.tag_name().name() == "marker");
        for target in others {
            size.add(self.size(target, above + 1)?, 1)?;
        }
        for marker in markers {
            // It is drawn at each point of the paths inside, and a point takes at least two bytes.
            let times = 1 + size.data / 2;
            size.add(self.size(marker, above + 1)?, times)?;
        }
        size.depth += 1;
        self.known.insert(node.id(), Some(size));
        Ok(size)
    }

    /// The elements that this one refers to. Style sheets apply to all elements, so their references are those of the root.
    fn references(&self, node: Node<'a, 'input>) -> Vec<Node<'a, 'input>> {
        let attributes = node.attributes();
        let links = attributes
            .clone()
            .filter(|attribute| attribute.name() == "href")
            .filter_map(|attribute| attribute.value().trim().strip_prefix('#'));
        let mut texts: Vec<&str> = attributes.map(|attribute| attribute.value()).collect();
        if node.parent_element().is_none() {
            let document = node.document().root();
            let sheets = document
                .descendants()
                .filter(|node| node.tag_name().name() == "style");
            texts.extend(sheets.filter_map(|sheet| sheet.text()));
        }
        let ids = texts.into_iter().flat_map(ids_in).chain(links);
        ids.filter_map(|id| self.by_id.get(id).copied()).collect()
    }
}

/// The bytes of the data of a path.
fn data_length(node: Node<'_, '_>) -> u64 {
    let data = node.attribute("d").or(node.attribute("points"));
    data.map_or(0, |data| data.len() as u64)
}

/// The ids in `url(#id)`.
fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("url(").skip(1).map(|rest| {
        let id = rest.split(')').next().unwrap_or_default();
        id.trim_matches(['\'', '"', ' ']).trim_start_matches('#')
    })
}

impl Size {
    const NOTHING: Self = Self {
        elements: 0,
        depth: 0,
        data: 0,
    };

    /// Adds an element inside of this one.
    fn add(&mut self, inner: Self, times: u64) -> Result<(), SvgError> {
        self.elements = self
            .elements
            .saturating_add(inner.elements.saturating_mul(times));
        self.data = self.data.saturating_add(inner.data.saturating_mul(times));
        self.depth = self.depth.max(inner.depth);
        if self.elements > MAX_ELEMENTS {
            return Err(SvgError::TooManyElements);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_in_tags_and_nowhere_else() {
        let attributes = |count: usize| -> String {
            let all = (0..count).map(|index| format!(r#" a{index}="{index}>""#));
            all.collect::<Vec<_>>().concat()
        };
        let svg = |inner: &str| format!(r#"<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>"#);
        let many = attributes(MAX_ATTRIBUTES + 1);
        for text in [
            svg(&format!("<g{many}/>")),
            svg(&format!("<g{}/>", many.replace('"', "'"))),
            format!("<svg{}></svg>", attributes(100_000)),
        ] {
            assert!(matches!(parse(&text), Err(SvgError::TooManyAttributes)));
        }
        let quotes = "'\"".repeat(2 * MAX_ATTRIBUTES);
        for text in [
            svg(&format!("<g{}/>", attributes(MAX_ATTRIBUTES))),
            svg(&format!("<!-- {quotes} -->")),
            svg(&format!("<style><![CDATA[{quotes}]]></style>")),
            svg(&format!("<title>{quotes}</title>")),
            svg(&"<g id='a' class='b'/>".repeat(MAX_ATTRIBUTES)),
        ] {
            assert!(parse(&text).is_ok(), "{text}");
        }
        for text in ["<", "<!--", "<![CDATA[", "<?", "<a b='", "<a b=\"c\""] {
            assert!(matches!(parse(text), Err(SvgError::Xml(_))), "{text}");
        }
    }
}
