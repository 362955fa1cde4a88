//! One color for each paint.

use resvg::usvg::{self, Group, Node, Paint, Path, Pattern, Stop};

use crate::scene::Rgba;

/// The color of a paint that has none of its own.
const GRAY: Rgba = [0.5, 0.5, 0.5, 1.0];

/// A color of a part of an area.
type Share = (f32, Rgba);

/// The color of a paint. That of a gradient or a pattern, which are counted, is the mean over its length or its area.
pub(super) fn color(paint: &Paint, gradients: &mut usize) -> Rgba {
    let shares = match paint {
        Paint::Color(color) => return opaque(*color),
        Paint::LinearGradient(gradient) => of_stops(gradient.stops()),
        Paint::RadialGradient(gradient) => of_stops(gradient.stops()),
        Paint::Pattern(pattern) => of_pattern(pattern),
    };
    *gradients += 1;
    mean(&shares).unwrap_or(GRAY)
}

fn opaque(color: usvg::Color) -> Rgba {
    let [red, green, blue] =
        [color.red, color.green, color.blue].map(|channel| f32::from(channel) / 255.0);
    [red, green, blue, 1.0]
}

/// The mean of colors. What is transparent does not count for the hue.
fn mean(shares: &[Share]) -> Option<Rgba> {
    let opacity: f32 = shares.iter().map(|(part, color)| part * color[3]).sum();
    if opacity <= 0.0 {
        return None;
    }
    let channel = |channel: usize| {
        let sum: f32 = shares
            .iter()
            .map(|(part, color)| part * color[3] * color[channel])
            .sum();
        sum / opacity
    };
    Some([channel(0), channel(1), channel(2), opacity.min(1.0)])
}

/// The stops of a gradient, each with the part of the length that is nearest to it.
fn of_stops(stops: &[Stop]) -> Vec<Share> {
    let offset = |index: usize| stops[index].offset().get();
    let ends = 0..stops.len();
    let shares = ends.map(|index| {
        let start = match index {
            0 => 0.0,
            _ => f32::midpoint(offset(index - 1), offset(index)),
        };
        let end = if index + 1 == stops.len() {
            1.0
        } else {
            f32::midpoint(offset(index), offset(index + 1))
        };
        let [red, green, blue, _] = opaque(stops[index].color());
        (
            end - start,
            [red, green, blue, stops[index].opacity().get()],
        )
    });
    shares.collect()
}

/// The shapes of a pattern, each with the part of a tile that it takes, as if none of them covered another one.
fn of_pattern(pattern: &Pattern) -> Vec<Share> {
    let tile = pattern.rect();
    let mut shares = Vec::new();
    add_shapes(pattern.root(), 1.0, &mut shares);
    for (area, _) in &mut shares {
        *area /= tile.width() * tile.height();
    }
    shares
}

fn add_shapes(group: &Group, opacity: f32, shares: &mut Vec<Share>) {
    let opacity = opacity * group.opacity().get();
    for node in group.children() {
        match node {
            Node::Group(inner) => add_shapes(inner, opacity, shares),
            Node::Path(path) if path.is_visible() => shares.extend(of_shape(path, opacity)),
            Node::Path(_) | Node::Image(_) | Node::Text(_) => {}
        }
    }
}

/// The color of a shape and the area of the box around it.
fn of_shape(path: &Path, opacity: f32) -> Option<Share> {
    let area = path.abs_stroke_bounding_box();
    let (paint, own) = match (path.fill(), path.stroke()) {
        (Some(fill), _) => (fill.paint(), fill.opacity()),
        (None, Some(stroke)) => (stroke.paint(), stroke.opacity()),
        (None, None) => return None,
    };
    let [red, green, blue, alpha] = color(paint, &mut 0);
    let alpha = alpha * own.get() * opacity;
    Some((area.width() * area.height(), [red, green, blue, alpha]))
}
