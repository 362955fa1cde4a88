//! What the style sheets of a document declare for each element, and what it costs to find out.
//!
//! The parser compares each selector with each element, and for `a b` also with the elements around it, which can take hours.
//! So the same comparisons are made here first, and counted, and are given up when they become too many.

use std::cell::Cell;

use resvg::usvg::roxmltree::{Document, Node};
use simplecss::{
    AttributeOperator, Declaration, DeclarationTokenizer, Element, PseudoClass, StyleSheet,
};

use super::svg_error::{MAX_STYLE_RULES, MAX_STYLE_STEPS, MAX_VALUE_BYTES, SvgError};

/// The maximum number of declarations in all rules, those of a list of selectors counting for each of them.
const MAX_DECLARATIONS: usize = 1_000_000;

/// The maximum number of rules, if each counts as often as there are style sheets.
const MAX_SORTED_RULES: usize = 1_000_000;

/// How many bytes of a text are compared in a step.
const STEP_BYTES: usize = 16;

/// How many bytes of a value are copied in a step. In this time many more could be, but they take memory.
const COPIED_BYTES: usize = 4;

/// How many bytes of a text are counted in a step.
const READ_BYTES: u64 = 50;

/// How the names of properties begin that elements inherit. The parser reads their values again for each element.
const PROPERTIES: [&str; 15] = [
    "clip",
    "color",
    "display",
    "fill",
    "filter",
    "font",
    "image-rendering",
    "marker",
    "mask",
    "opacity",
    "paint-order",
    "shape-rendering",
    "stop",
    "stroke",
    "visibility",
];

/// The style sheets of a document.
pub(super) struct StyleSheets<'a> {
    rules: StyleSheet<'a>,
}

/// What is declared for an element.
pub(super) struct Applied<'a> {
    /// By style sheets, and then by the element itself.
    pub(super) declarations: Vec<Declaration<'a>>,
    /// How many steps it took to find this out; one takes about a tenth of a microsecond.
    pub(super) steps: u64,
}

impl<'a> StyleSheets<'a> {
    /// Those of a document.
    ///
    /// # Errors
    /// If there are too many rules.
    pub(super) fn of(document: &'a Document<'_>) -> Result<Self, SvgError> {
        let texts: Vec<&str> = sheet_texts(document).collect();
        check_size(&texts)?;
        let steps: u64 = texts.iter().map(|text| reading_steps(text)).sum();
        if steps > MAX_STYLE_STEPS {
            return Err(SvgError::LongStyles);
        }
        let mut rules = StyleSheet::new();
        for text in texts {
            rules.parse_more(text);
        }
        Ok(Self { rules })
    }

    /// What is declared for an element.
    ///
    /// # Errors
    /// If this would take too long, or a value is too long.
    pub(super) fn applied(&self, node: Node<'a, '_>) -> Result<Applied<'a>, SvgError> {
        let steps = Cell::new(0);
        let element = Counted {
            node,
            steps: &steps,
        };
        let mut declarations = Vec::new();
        for rule in &self.rules.rules {
            if rule.selector.matches(&element) {
                declarations.extend_from_slice(&rule.declarations);
                element.add(rule.declarations.iter().map(copying_steps).sum());
            }
            element.add(1);
            if steps.get() > MAX_STYLE_STEPS {
                return Err(SvgError::LongStyles);
            }
        }
        let style = node.attribute("style").unwrap_or_default();
        let reading = reading_steps(style);
        if reading > MAX_STYLE_STEPS {
            return Err(SvgError::LongStyles);
        }
        for declaration in DeclarationTokenizer::from(style) {
            element.add(copying_steps(&declaration));
            declarations.push(declaration);
        }
        let declared = declarations.iter().map(|own| (own.name, own.value));
        let attributes = node.attributes().map(|own| (own.name(), own.value()));
        let mut all = declared.chain(attributes);
        if all.any(|(name, value)| value.len() > MAX_VALUE_BYTES && is_inherited(name)) {
            return Err(SvgError::LongValue);
        }
        Ok(Applied {
            declarations,
            steps: steps.get() + reading,
        })
    }
}

/// The style sheets of a document as the parser reads them.
pub(super) fn sheet_texts<'a>(document: &'a Document<'_>) -> impl Iterator<Item = &'a str> {
    let nodes = document.descendants();
    let sheets = nodes.filter(|node| node.tag_name().name() == "style");
    sheets.filter_map(|sheet| sheet.text())
}

/// How long the parser takes to give a declaration to an element, which gets a copy of the value.
fn copying_steps(declaration: &Declaration<'_>) -> usize {
    1 + declaration.value.len() / COPIED_BYTES
}

/// Whether a property is one that elements inherit, or of the same kind.
fn is_inherited(name: &str) -> bool {
    PROPERTIES.iter().any(|start| name.starts_with(start))
}

fn check_size(texts: &[&str]) -> Result<(), SvgError> {
    // A rule has one block, and a selector is separated from the next one by a comma.
    let rules: usize = texts
        .iter()
        .map(|text| text.matches(['{', ',']).count())
        .sum();
    if rules > MAX_STYLE_RULES {
        return Err(SvgError::TooManyRules);
    }
    // All rules are sorted again after each style sheet.
    if rules * texts.len() > MAX_SORTED_RULES {
        return Err(SvgError::LongStyles);
    }
    // Each selector of a list has its own copy of the declarations.
    let lists = texts.iter().flat_map(|text| text.split('{'));
    let longest = lists.map(|list| list.matches(',').count() + 1).max();
    let declarations: usize = texts.iter().map(|text| text.matches(';').count()).sum();
    if longest.unwrap_or_default() * declarations > MAX_DECLARATIONS {
        return Err(SvgError::LongStyles);
    }
    Ok(())
}

/// How long the parser takes to split a text into declarations. Where a value ends, a number has no unit, or a colour begins with
/// a digit, it counts all lines and characters before, for a message that nobody reads.
pub(super) fn reading_steps(text: &str) -> u64 {
    let (mut passed, mut last) = (0, b' ');
    for (place, byte) in text.bytes().enumerate() {
        let ends_number = last.is_ascii_digit() && !byte.is_ascii_alphanumeric();
        if ends_number || matches!(byte, b';' | b'}' | b'!' | b'#') {
            passed += place as u64;
        }
        last = byte;
    }
    passed / READ_BYTES
}

/// An element that counts what it is asked.
#[derive(Clone, Copy)]
struct Counted<'a, 'input, 'steps> {
    node: Node<'a, 'input>,
    steps: &'steps Cell<u64>,
}

impl Counted<'_, '_, '_> {
    fn add(&self, count: usize) {
        self.steps.set(self.steps.get() + count as u64);
    }

    fn is_exhausted(&self) -> bool {
        self.steps.get() > MAX_STYLE_STEPS
    }
}

impl Element for Counted<'_, '_, '_> {
    /// The element around it; none once there are too many steps, which ends the comparison.
    fn parent_element(&self) -> Option<Self> {
        self.add(1);
        let node = self.node.parent_element();
        node.filter(|_| !self.is_exhausted())
            .map(|node| Self { node, ..*self })
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        // Comments and texts are passed one by one.
        let mut node = self.node.prev_sibling();
        while node.is_some_and(|node| !node.is_element()) {
            self.add(1);
            node = node.and_then(|node| node.prev_sibling());
        }
        self.add(1);
        node.map(|node| Self { node, ..*self })
    }

    fn has_local_name(&self, name: &str) -> bool {
        self.node.tag_name().name() == name
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        let value = self.node.attribute(name);
        // Their names are compared one after the other.
        let names = self.node.attributes().len() * (4 + name.len()) / STEP_BYTES;
        self.add(1 + names + value.unwrap_or_default().len() / STEP_BYTES);
        value.is_some_and(|value| operator.matches(value))
    }

    fn pseudo_class_matches(&self, class: PseudoClass<'_>) -> bool {
        class == PseudoClass::FirstChild && self.prev_sibling_element().is_none()
    }
}
