//! What a document becomes when all its references are followed.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

use super::applied::{Applied, StyleSheets};
use super::numbers::{Bounds, numbers};
use super::outlines::Outlines;
use super::svg_error::{MAX_DATA_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_STYLE_STEPS, SvgError};

/// The elements whose links are followed.
const LINKING: [&str; 8] = [
    "feImage",
    "filter",
    "linearGradient",
    "pattern",
    "radialGradient",
    "textPath",
    "tref",
    "use",
];

/// The maximum number of references that the parser takes away. It looks through the document after each of them.
const MAX_REPAIRED: usize = 100;

/// The elements with texts.
const TEXTS: [&str; 5] = ["a", "text", "textPath", "tref", "tspan"];

/// The bytes that the parser copies for each element of a gradient and each shape with it.
const GRADIENT_BYTES: u64 = 32;

/// What an element becomes when all its references are followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    elements: u64,
    /// The number of elements within each other.
    depth: usize,
    /// The number of lines and curves, at most.
    segments: u64,
    /// Bytes of all attributes and texts, which the parser reads again for each copy.
    bytes: u64,
    /// Steps of comparing selectors with elements.
    steps: u64,
    outlines: Outlines,
}

/// Computes the size of a document in which each element is as often as it is used.
struct Expansion<'a, 'input> {
    /// The first and the last element with an id: the parser takes the first for copies, and the last for anything else.
    by_id: HashMap<&'a str, [Node<'a, 'input>; 2]>,
    /// `None` for an element that is being computed.
    known: HashMap<NodeId, Option<Size>>,
    /// How many references were found that the parser takes away.
    repaired: usize,
    /// The number of nodes of the document.
    nodes: u64,
    bounds: &'a Bounds,
    style_sheets: &'a StyleSheets<'a>,
}

impl<'a, 'input> Expansion<'a, 'input> {
    fn size(&mut self, node: Node<'a, 'input>, above: usize) -> Result<Size, SvgError> {
        if above >= MAX_DEPTH {
            return Err(SvgError::TooDeep);
        }
        match self.known.get(&node.id()) {
            Some(Some(size)) if above + size.depth > MAX_DEPTH => return Err(SvgError::TooDeep),
            Some(Some(size)) => return Ok(*size),
            // The parser follows some of these until its stack ends.
            Some(None) => return Err(SvgError::Cycle),
            None => {}
        }
        self.known.insert(node.id(), None);
        let applied = self.style_sheets.applied(node)?;
        let mut size = Size {
            elements: 1,
            depth: 0,
            segments: segments(node),
            bytes: bytes(node, &applied) + self.searched(node),
            steps: applied.steps,
            outlines: Outlines::of(node, self.bounds)?,
        };
        for child in node.children().filter(Node::is_element) {
            size.add(self.size(child, above + 1)?, 1)?;
        }
        let references = self.references(node, &applied);
        let (markers, others): (Vec<_>, Vec<_>) = references
            .into_iter()
            .partition(|(_, target)| target.tag_name().name() == "marker");
        for (property, target) in others {
            if self.is_repaired(property, node, target)? {
                continue;
            }
            let inner = self.size(target, above + 1)?;
            match target.tag_name().name() {
                // It is built once, but copied.
                "linearGradient" | "radialGradient" => {
                    size.depth = size.depth.max(inner.depth);
                    size.bytes = size.bytes.saturating_add(GRADIENT_BYTES * inner.elements);
                }
                _ => size.add(inner, 1)?,
            }
        }
        let (shapes, points) = (size.elements, size.elements + size.segments);
        for (property, marker) in markers {
            if self.is_repaired(property, node, marker)? {
                continue;
            }
            // One of these is drawn once for each shape inside, and any other at each point.
            let is_at_end = ["marker-start", "marker-end"].contains(&property);
            let times = if is_at_end { shapes } else { points };
            size.add(self.size(marker, above + 1)?, times)?;
        }
        size.depth += 1;
        size.outlines = size.outlines.placed(node, &applied, self.bounds);
        self.known.insert(node.id(), Some(size));
        Ok(size)
    }

    /// Whether the parser takes a reference away because it is to an element around the one that refers to it, as a style sheet
    /// for all shapes can make them.
    fn is_repaired(
        &mut self,
        property: &str,
        node: Node<'_, '_>,
        target: Node<'_, '_>,
    ) -> Result<bool, SvgError> {
        let is_own = match target.tag_name().name() {
            "clipPath" => property == "clip-path",
            "marker" => property.starts_with("marker"),
            "mask" => property == "mask",
            "pattern" => ["fill", "stroke"].contains(&property),
            _ => false,
        };
        if !is_own || node.ancestors().skip(1).all(|around| around != target) {
            return Ok(false);
        }
        self.repaired += 1;
        if self.repaired > MAX_REPAIRED {
            return Err(SvgError::Cycle);
        }
        Ok(true)
    }

    /// The number of nodes that the parser looks through for the target of an element.
    fn searched(&self, node: Node<'_, '_>) -> u64 {
        if node.tag_name().name() == "tref" {
            self.nodes
        } else {
            0
        }
    }

    /// The elements that this one refers to, with the name of the property or attribute.
    fn references(
        &self,
        node: Node<'a, 'input>,
        applied: &Applied<'a>,
    ) -> Vec<(&'a str, Node<'a, 'input>)> {
        let attributes = node.attributes();
        let links = attributes
            .clone()
            .filter(|own| own.name() == "href" && LINKING.contains(&node.tag_name().name()))
            .filter_map(|own| Some((own.name(), own.value().trim().strip_prefix('#')?)));
        // Those in its style are declared.
        let attributes =
            attributes.filter(|own| own.namespace().is_none() && own.name() != "style");
        let declared = applied.declarations.iter().map(|own| (own.name, own.value));
        let values = attributes.map(|own| (own.name(), own.value()));
        let ids = values
            .chain(declared)
            .flat_map(|(name, value)| ids_in(value).map(move |id| (name, id)));
        let mut found = Vec::new();
        for (name, id) in ids.chain(links) {
            if let Some([first, last]) = self.by_id.get(id) {
                found.push((name, *first));
                found.extend((first != last).then_some((name, *last)));
            }
        }
        found
    }
}

/// The number of lines and curves of a shape, at most.
fn segments(node: Node<'_, '_>) -> u64 {
    let data = node.attribute("d").unwrap_or_default();
    let points = node.attribute("points").unwrap_or_default();
    // Each has a letter or at least one number.
    let letters = data.bytes().filter(u8::is_ascii_alphabetic).count();
    let count = numbers(data).count();
    // Most have two numbers or more, but h and v.
    let is_straight = data.contains(['h', 'H', 'v', 'V']);
    let of_data = letters + if is_straight { count } else { count / 2 };
    (of_data + numbers(points).count() / 2) as u64
}

/// The bytes of all attributes and texts of an element, and of what style sheets add.
fn bytes(node: Node<'_, '_>, applied: &Applied<'_>) -> u64 {
    let attributes = node.attributes().map(|own| own.value().len());
    let filters = applied.declarations.iter();
    let filters = filters.filter(|own| own.name == "filter");
    let has_text = TEXTS.contains(&node.tag_name().name());
    let texts = node.children().filter(|child| has_text && child.is_text());
    let texts = texts.filter_map(|text| text.text().map(str::len));
    let all = attributes
        .chain(texts)
        .chain(filters.map(|own| own.value.len()));
    all.sum::<usize>() as u64
}

/// The ids in `url(#id)`.
fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("url(").skip(1).map(|rest| {
        let id = rest.split(')').next().unwrap_or_default();
        id.trim_matches(['\'', '"', ' ']).trim_start_matches('#')
    })
}

impl Size {
    /// Checks the size of a document.
    ///
    /// # Errors
    /// If it is so large, or has such strokes or style sheets, that the parser would take too long.
    pub(super) fn check(document: &Document<'_>, bounds: &Bounds) -> Result<(), SvgError> {
        let mut by_id = HashMap::new();
        for node in document.descendants() {
            if let Some(id) = node.attribute("id") {
                by_id.entry(id).or_insert([node; 2])[1] = node;
            }
        }
        let style_sheets = StyleSheets::of(document)?;
        let mut expansion = Expansion {
            by_id,
            known: HashMap::new(),
            repaired: 0,
            nodes: document.descendants().count() as u64,
            bounds,
            style_sheets: &style_sheets,
        };
        let size = expansion.size(document.root_element(), 0)?;
        if bounds.has_strokes {
            size.outlines.check(bounds.stroke)?;
        }
        Ok(())
    }

    /// Adds an element inside of this one.
    fn add(&mut self, inner: Self, times: u64) -> Result<(), SvgError> {
        self.elements = self
            .elements
            .saturating_add(inner.elements.saturating_mul(times));
        self.segments = self
            .segments
            .saturating_add(inner.segments.saturating_mul(times));
        self.depth = self.depth.max(inner.depth);
        self.bytes = self.bytes.saturating_add(inner.bytes.saturating_mul(times));
        self.steps = self.steps.saturating_add(inner.steps.saturating_mul(times));
        self.outlines.add(&inner.outlines, times);
        if self.elements > MAX_ELEMENTS {
            return Err(SvgError::TooManyElements);
        }
        if self.bytes > MAX_DATA_BYTES {
            return Err(SvgError::LongData);
        }
        if self.steps > MAX_STYLE_STEPS {
            return Err(SvgError::LongStyles);
        }
        Ok(())
    }
}
