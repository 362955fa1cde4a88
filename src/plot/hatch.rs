//! Hatching: parallel lines that cover a part of an area, as a pen's way of showing opacity.

use std::collections::BTreeMap;
use std::f64::consts::FRAC_1_SQRT_2;

use resvg::usvg::FillRule;

use super::page::Placement;

/// The area to be hatched.
#[derive(Debug, Clone, Copy)]
pub(super) struct HatchArea<'a> {
    /// Closed outlines in millimetres.
    pub(super) outlines: &'a [Vec<[f64; 2]>],
    /// Which points are inside.
    pub(super) rule: FillRule,
    /// What is visible of it.
    pub(super) placement: &'a Placement,
}

/// Lines at 45 degrees inside an area, `spacing` millimetres apart. All areas share one set of lines.
pub(super) fn hatch(area: &HatchArea<'_>, spacing: f64) -> Vec<[[f64; 2]; 2]> {
    let mut rows: BTreeMap<i64, Vec<(f64, i32)>> = BTreeMap::new();
    let visible = visible_rows(area.placement, spacing);
    for outline in area.outlines {
        let next = outline.iter().skip(1).chain(outline.first());
        for (from, to) in outline.iter().zip(next) {
            add_crossings(&mut rows, [turned(*from), turned(*to)], &visible, spacing);
        }
    }
    let mut lines = Vec::new();
    for (row, mut crossings) in rows {
        crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let height = row as f64 * spacing;
        let mut winding = 0;
        for pair in crossings.windows(2) {
            winding += pair[0].1;
            let inside = match area.rule {
                FillRule::NonZero => winding != 0,
                FillRule::EvenOdd => winding % 2 != 0,
            };
            if inside && pair[0].0 < pair[1].0 {
                lines.push([[pair[0].0, height], [pair[1].0, height]].map(turned_back));
            }
        }
    }
    lines
}

/// The first and the last row that can be visible.
fn visible_rows(placement: &Placement, spacing: f64) -> [f64; 2] {
    let [min, max] = [placement.min, placement.max];
    let corners = [min, [max[0], min[1]], [min[0], max[1]], max].map(|corner| turned(corner)[1]);
    let lowest = corners.into_iter().fold(f64::INFINITY, f64::min);
    let highest = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
    [(lowest / spacing).floor(), (highest / spacing).ceil()]
}

/// Adds where an edge crosses rows, with the direction in which it crosses them.
fn add_crossings(
    rows: &mut BTreeMap<i64, Vec<(f64, i32)>>,
    [from, to]: [[f64; 2]; 2],
    visible: &[f64; 2],
    spacing: f64,
) {
    let (low, high, direction) = if from[1] <= to[1] {
        (from, to, 1)
    } else {
        (to, from, -1)
    };
    // The lower end belongs to the edge, the upper one to the next edge.
    let first = (low[1] / spacing).ceil().max(visible[0]);
    let last = ((high[1] / spacing).ceil() - 1.0).min(visible[1]);
    if first > last {
        return;
    }
    for row in first as i64..=last as i64 {
        let part = (row as f64 * spacing - low[1]) / (high[1] - low[1]);
        let x = low[0] + (high[0] - low[0]) * part;
        rows.entry(row).or_default().push((x, direction));
    }
}

/// Turns a point by -45 degrees, so that hatching is horizontal.
fn turned([x, y]: [f64; 2]) -> [f64; 2] {
    [(x + y) * FRAC_1_SQRT_2, (y - x) * FRAC_1_SQRT_2]
}

fn turned_back([x, y]: [f64; 2]) -> [f64; 2] {
    [(x - y) * FRAC_1_SQRT_2, (x + y) * FRAC_1_SQRT_2]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACEMENT: Placement = Placement {
        scale: 1.0,
        min: [0.0, 0.0],
        max: [100.0, 100.0],
    };

    fn square(from: f64, to: f64) -> Vec<[f64; 2]> {
        vec![[from, from], [to, from], [to, to], [from, to]]
    }

    fn length(outlines: &[Vec<[f64; 2]>], rule: FillRule, spacing: f64) -> f64 {
        let area = HatchArea {
            outlines,
            rule,
            placement: &PLACEMENT,
        };
        let lines = hatch(&area, spacing);
        lines
            .iter()
            .map(|[a, b]| (a[0] - b[0]).hypot(a[1] - b[1]))
            .sum()
    }

    #[test]
    fn lines_are_as_long_as_the_area_divided_by_their_distance() {
        for spacing in [0.3, 1.0] {
            let found = length(&[square(10.0, 40.0)], FillRule::NonZero, spacing);
            let expected = 900.0 / spacing;
            assert!((found / expected - 1.0).abs() < 0.03, "{found} {expected}");
        }
    }

    #[test]
    fn the_fill_rule_decides_about_holes() {
        let outlines = [square(10.0, 40.0), square(20.0, 30.0)];
        let full = length(&outlines, FillRule::NonZero, 0.5);
        let hole = length(&outlines, FillRule::EvenOdd, 0.5);
        assert!((full / 1800.0 - 1.0).abs() < 0.03, "{full}");
        assert!((hole / 1600.0 - 1.0).abs() < 0.03, "{hole}");
    }

    #[test]
    fn huge_areas_have_only_the_rows_of_the_page() {
        let area = HatchArea {
            outlines: &[square(-1e12, 1e12)],
            rule: FillRule::NonZero,
            placement: &PLACEMENT,
        };
        assert!(hatch(&area, 1.0).len() <= 145);
    }
}
