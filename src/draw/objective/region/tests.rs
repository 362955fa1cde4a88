use super::offset::Outside;
use super::shape::{Extent, Region};

/// Sizes and rotations, among them thin regions.
const EXTENTS: [Extent; 5] = [
    extent([150.0, 100.0], 0.0),
    extent([40.0, 160.0], 30.0),
    extent([120.0, 120.0], -75.0),
    extent([200.0, 2.0], 135.0),
    extent([1.0, 1.0], 0.0),
];

const fn extent(size: [f64; 2], rotation: f64) -> Extent {
    Extent { size, rotation }
}

fn regions() -> impl Iterator<Item = Region> {
    EXTENTS.into_iter().flat_map(|extent| {
        [
            Region::Ellipse(extent),
            Region::Rectangle(extent),
            Region::Frame(extent),
        ]
    })
}

/// Points everywhere, not only near the region.
fn points() -> impl Iterator<Item = [f64; 2]> {
    let steps: [f64; 11] = [
        -5000.0, -113.3, -61.7, -20.3, -0.9, 0.3, 7.7, 33.1, 74.2, 99.9, 640.0,
    ];
    steps
        .into_iter()
        .flat_map(move |x| steps.map(|y| [x, y + 0.13 * x.sin()]))
}

fn distance(region: &Region, point: [f64; 2]) -> f64 {
    let outside = region.outside(point);
    outside.map_or(0.0, |outside| outside.distance)
}

fn turned([x, y]: [f64; 2], rotation: f64) -> [f64; 2] {
    let (sine, cosine) = rotation.to_radians().sin_cos();
    [cosine * x - sine * y, sine * x + cosine * y]
}

/// The least distance of a point from places on a closed line, found by a search that gets finer.
fn nearest(point: [f64; 2], line: impl Fn(f64) -> [f64; 2]) -> f64 {
    let distance = |angle: f64| {
        let [x, y] = line(angle);
        (x - point[0]).hypot(y - point[1])
    };
    let places = |middle: f64, range: f64| {
        (0..=2000).map(move |index| middle + range * (f64::from(index) / 1000.0 - 1.0))
    };
    let best = |middle: f64, range: f64| {
        places(middle, range)
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
            .unwrap()
    };
    let angle = [std::f64::consts::PI, 0.01, 1e-4, 1e-6]
        .into_iter()
        .fold(0.0, best);
    distance(angle)
}

#[test]
fn the_distance_from_an_ellipse_is_that_of_its_nearest_point() {
    for extent in EXTENTS {
        let [a, b] = extent.size.map(|side| 0.5 * side);
        for point in points() {
            let [x, y] = turned(point, -extent.rotation);
            let expected = if (x / a).powi(2) + (y / b).powi(2) <= 1.0 {
                0.0
            } else {
                nearest([x, y], |angle| [a * angle.cos(), b * angle.sin()])
            };
            let found = distance(&Region::Ellipse(extent), point);
            assert!(
                (found - expected).abs() < 1e-3,
                "{extent:?} {point:?}: {found}, expected {expected}"
            );
        }
    }
}

#[test]
fn the_distances_from_a_rectangle_and_a_frame_are_known() {
    let extent = extent([100.0, 60.0], 0.0);
    for (point, expected) in [
        ([0.0, 0.0], 0.0),
        ([50.0, 30.0], 0.0),
        ([53.0, 34.0], 5.0),
        ([-53.0, -34.0], 5.0),
        ([10.0, -37.0], 7.0),
        ([-58.0, 30.0], 8.0),
    ] {
        let found = distance(&Region::Rectangle(extent), point);
        assert!((found - expected).abs() < 1e-12, "{point:?}: {found}");
    }
    // The radius of the corners is 15, so the center of one of them is (35, 15).
    for (point, expected) in [
        ([0.0, 0.0], 30.0),
        ([45.0, 0.0], 5.0),
        ([0.0, -28.0], 2.0),
        ([38.0, 19.0], 10.0),
        ([48.0, -28.0], 0.0),
        ([50.0, 0.0], 0.0),
        ([60.0, 60.0], 0.0),
    ] {
        let found = distance(&Region::Frame(extent), point);
        assert!((found - expected).abs() < 1e-12, "{point:?}: {found}");
    }
}

#[test]
fn a_rotation_turns_the_region_clockwise() {
    let region = Region::Rectangle(extent([100.0, 20.0], 90.0));
    assert!((distance(&region, [0.0, 55.0]) - 5.0).abs() < 1e-9);
    assert!((distance(&region, [55.0, 0.0]) - 45.0).abs() < 1e-9);
    // With y pointing down, the right end of the rectangle is lower after a clockwise rotation.
    let region = Region::Rectangle(extent([100.0, 1.0], 30.0));
    assert_eq!(distance(&region, turned([49.0, 0.0], 30.0)), 0.0);
    assert!(distance(&region, turned([49.0, 0.0], -30.0)) > 20.0);
}

#[test]
fn the_gradient_of_the_distance_matches_central_differences() {
    const CHANGE: f64 = 1e-5;
    for region in regions() {
        for point in points() {
            let Some(outside) = region.outside(point) else {
                continue;
            };
            let [x, y] = point;
            let ahead = [[x + CHANGE, y], [x, y + CHANGE]].map(|point| distance(&region, point));
            let behind = [[x - CHANGE, y], [x, y - CHANGE]].map(|point| distance(&region, point));
            for axis in 0..2 {
                let expected = (ahead[axis] - behind[axis]) / (2.0 * CHANGE);
                let found = outside.direction[axis];
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{region:?} {point:?}: {found}, expected {expected}"
                );
            }
            let [x, y] = outside.direction;
            assert!((x.hypot(y) - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn corners_edges_and_the_center_have_a_finite_gradient() {
    for region in regions().chain([Region::Circle]) {
        let (Region::Ellipse(Extent { size, rotation })
        | Region::Rectangle(Extent { size, rotation })
        | Region::Frame(Extent { size, rotation })) = region
        else {
            assert_eq!(region.outside([0.0, 0.0]), None);
            continue;
        };
        let [x, y] = size.map(|side| 0.5 * side);
        for point in [
            [0.0, 0.0],
            [x, y],
            [x, 0.0],
            [0.0, -y],
            [-x, y],
            [2.0 * x, 0.0],
        ] {
            let outside = region.outside(turned(point, rotation));
            if let Some(Outside {
                distance,
                direction: [x, y],
            }) = outside
            {
                assert!(
                    distance.is_finite() && (x.hypot(y) - 1.0).abs() < 1e-9,
                    "{region:?}"
                );
            }
        }
        let is_frame = matches!(region, Region::Frame(_));
        assert_eq!(region.outside([0.0, 0.0]).is_some(), is_frame);
    }
}
