//! What a document becomes when all its references are followed.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

use super::applied::{Applied, StyleSheets};
use super::numbers::Bounds;
use super::outlines::Outlines;
use super::svg_error::{
    MAX_CYCLES, MAX_DATA_BYTES, MAX_DEPTH, MAX_ELEMENTS, MAX_STYLE_STEPS, SvgError,
};

/// The elements whose references to themselves the parser removes one by one.
const REPAIRED: [&str; 4] = ["clipPath", "filter", "mask", "pattern"];

/// What an element becomes when all its references are followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    elements: u64,
    /// The number of elements within each other.
    depth: usize,
    /// Bytes of the data of paths.
    data: u64,
    /// Bytes of all attributes that the parser reads again for each copy.
    bytes: u64,
    /// Steps of comparing selectors with elements.
    steps: u64,
    outlines: Outlines,
}

/// Computes the size of a document in which each element is as often as it is used.
struct Expansion<'a, 'input> {
    /// The first and the last element with an id: the parser takes the first for copies, and the last for anything else.
    by_id: HashMap<&'a str, [Node<'a, 'input>; 2]>,
    /// `None` for an element that is being computed: a reference to itself is not followed.
    known: HashMap<NodeId, Option<Size>>,
    bounds: &'a Bounds,
    style_sheets: &'a StyleSheets<'a>,
    /// How many references to an element within itself were found.
    cycles: usize,
}

impl<'a, 'input> Expansion<'a, 'input> {
    fn size(&mut self, node: Node<'a, 'input>, above: usize) -> Result<Size, SvgError> {
        if above >= MAX_DEPTH {
            return Err(SvgError::TooDeep);
        }
        match self.known.get(&node.id()) {
            Some(Some(size)) if above + size.depth > MAX_DEPTH => return Err(SvgError::TooDeep),
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                self.cycles += usize::from(REPAIRED.contains(&node.tag_name().name()));
                if self.cycles > MAX_CYCLES {
                    return Err(SvgError::Cycles);
                }
                return Ok(Size::default());
            }
            None => {}
        }
        self.known.insert(node.id(), None);
        let applied = self.style_sheets.applied(node)?;
        let mut size = Size {
            elements: 1,
            depth: 0,
            data: length(node, &["d", "points"]),
            bytes: length(node, &["d", "points", "href", "transform"]),
            steps: applied.steps,
            outlines: Outlines::of(node, self.bounds)?,
        };
        for child in node.children().filter(Node::is_element) {
            size.add(self.size(child, above + 1)?, 1)?;
        }
        let targets = self.references(node, &applied);
        let (markers, others): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|target| target.tag_name().name() == "marker");
        for target in others {
            let inner = self.size(target, above + 1)?;
            match target.tag_name().name() {
                // It is built once, and only its depth counts.
                "linearGradient" | "radialGradient" => size.depth = size.depth.max(inner.depth),
                _ => size.add(inner, 1)?,
            }
        }
        // A marker is drawn at each point of the paths inside, and a point takes at least two bytes.
        let points = 1 + size.data / 2;
        for marker in markers {
            size.add(self.size(marker, above + 1)?, points)?;
        }
        size.depth += 1;
        size.outlines = size.outlines.placed(node, &applied, self.bounds);
        self.known.insert(node.id(), Some(size));
        Ok(size)
    }

    /// The elements that this one refers to.
    fn references(&self, node: Node<'a, 'input>, applied: &Applied<'a>) -> Vec<Node<'a, 'input>> {
        let attributes = node.attributes();
        let links = attributes
            .clone()
            .filter(|attribute| attribute.name() == "href")
            .filter_map(|attribute| attribute.value().trim().strip_prefix('#'));
        // Those in its style are declared.
        let attributes = attributes.filter(|attribute| attribute.name() != "style");
        let declared = applied.declarations.iter().map(|one| one.value);
        let texts = attributes
            .map(|attribute| attribute.value())
            .chain(declared);
        let ids = texts.flat_map(ids_in).chain(links);
        let mut found = Vec::new();
        for [first, last] in ids.filter_map(|id| self.by_id.get(id)) {
            found.push(*first);
            found.extend((first != last).then_some(*last));
        }
        found
    }
}

/// The bytes of some attributes.
fn length(node: Node<'_, '_>, names: &[&str]) -> u64 {
    let attributes = node.attributes();
    let some = attributes.filter(|attribute| names.contains(&attribute.name()));
    some.map(|attribute| attribute.value().len() as u64).sum()
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
            bounds,
            style_sheets: &style_sheets,
            cycles: 0,
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
        self.data = self.data.saturating_add(inner.data.saturating_mul(times));
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
