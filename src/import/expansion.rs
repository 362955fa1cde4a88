//! What a document becomes when all its references are followed.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

use super::numbers::Bounds;
use super::outlines::Outlines;
use super::svg_error::{
    MAX_ATTRIBUTE_BYTES, MAX_CYCLES, MAX_DEPTH, MAX_ELEMENTS, MAX_SEGMENTS, SvgError,
};

/// The length of an attribute that is not long, in bytes.
const USUAL_VALUE_BYTES: usize = 200;

/// The elements whose references to themselves the parser removes one by one.
const REPAIRED: [&str; 4] = ["clipPath", "filter", "mask", "pattern"];

/// What an element becomes when all its references are followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) elements: u64,
    /// The number of elements within each other.
    pub(super) depth: usize,
    /// Bytes of the data of paths.
    data: u64,
    /// Bytes of attributes.
    bytes: u64,
    outlines: Outlines,
}

/// Computes the size of a document in which each element is as often as it is used.
struct Expansion<'a, 'input> {
    by_id: HashMap<&'a str, Node<'a, 'input>>,
    /// `None` for an element that is being computed: a reference to itself is not followed.
    known: HashMap<NodeId, Option<Size>>,
    bounds: &'a Bounds,
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
        let mut size = Size {
            elements: 1,
            depth: 0,
            data: data_length(node),
            bytes: node.attributes().map(|own| own.value().len() as u64).sum(),
            outlines: Outlines::of(node, self.bounds)?,
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
        size.bytes = size
            .bytes
            .saturating_add(long_values(node).saturating_mul(size.elements));
        size.outlines = size.outlines.placed(node, self.bounds);
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

/// The bytes by which attributes are longer than they are as a rule. The parser reads them again for each element that inherits
/// them.
fn long_values(node: Node<'_, '_>) -> u64 {
    let inherited = node
        .attributes()
        .filter(|own| !["d", "points"].contains(&own.name()));
    let lengths = inherited.map(|own| own.value().len().saturating_sub(USUAL_VALUE_BYTES));
    lengths.sum::<usize>() as u64
}

/// The ids in `url(#id)`.
fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("url(").skip(1).map(|rest| {
        let id = rest.split(')').next().unwrap_or_default();
        id.trim_matches(['\'', '"', ' ']).trim_start_matches('#')
    })
}

impl Size {
    /// The size of a document.
    ///
    /// # Errors
    /// If it is so large, or has such strokes, that the parser would take too long.
    pub(super) fn of(document: &Document<'_>, bounds: &Bounds) -> Result<Self, SvgError> {
        let with_id = document
            .descendants()
            .filter_map(|node| Some((node.attribute("id")?, node)));
        let mut expansion = Expansion {
            by_id: with_id.collect(),
            known: HashMap::new(),
            bounds,
            cycles: 0,
        };
        let size = expansion.size(document.root_element(), 0)?;
        if bounds.has_strokes {
            size.outlines.check()?;
        }
        Ok(size)
    }

    /// Adds an element inside of this one.
    fn add(&mut self, inner: Self, times: u64) -> Result<(), SvgError> {
        self.elements = self
            .elements
            .saturating_add(inner.elements.saturating_mul(times));
        self.data = self.data.saturating_add(inner.data.saturating_mul(times));
        self.depth = self.depth.max(inner.depth);
        self.outlines.add(&inner.outlines, times);
        self.bytes = self.bytes.saturating_add(inner.bytes.saturating_mul(times));
        if self.elements > MAX_ELEMENTS {
            return Err(SvgError::TooManyElements);
        }
        if self.outlines.segments() > MAX_SEGMENTS {
            return Err(SvgError::TooManySegments);
        }
        if self.bytes > MAX_ATTRIBUTE_BYTES {
            return Err(SvgError::LongAttributes);
        }
        Ok(())
    }
}
