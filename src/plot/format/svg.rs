//! SVG for plotters: millimetres, and one layer of Inkscape for each pen.

use std::fmt::Write as _;
use std::io;

use quick_xml::Writer;

use crate::plot::plan::{Layer, Plot};
use crate::plot::polyline::Polyline;

/// Writes a plot as an SVG with one layer a pen. A layer is named by the number and the name of its pen (`1-black`), as
/// the software of `AxiDraw` expects it to plot layers one by one.
pub fn write_plot_svg(plot: &Plot) -> String {
    let mut document = Vec::new();
    write_document(&mut document, plot).expect("memory can be written to");
    String::from_utf8(document).expect("all parts are UTF-8")
}

fn write_document(document: &mut Vec<u8>, plot: &Plot) -> io::Result<()> {
    let [width, height] = [plot.page.width, plot.page.height];
    let (wide, high) = (format!("{width}mm"), format!("{height}mm"));
    let view_box = format!("0 0 {width} {height}");
    Writer::new_with_indent(document, b' ', 1)
        .create_element("svg")
        .with_attribute(("xmlns", "http://www.w3.org/2000/svg"))
        .with_attribute((
            "xmlns:inkscape",
            "http://www.inkscape.org/namespaces/inkscape",
        ))
        .with_attribute(("width", wide.as_str()))
        .with_attribute(("height", high.as_str()))
        .with_attribute(("viewBox", view_box.as_str()))
        .write_inner_content(|xml| {
            let mut layers = plot.layers.iter();
            layers.try_for_each(|layer| write_layer(xml, layer, plot.pen_width))
        })?;
    Ok(())
}

fn write_layer(xml: &mut Writer<&mut Vec<u8>>, layer: &Layer, pen_width: f64) -> io::Result<()> {
    let id = format!("layer{}", layer.number);
    let label = format!("{}-{}", layer.number, layer.pen.name);
    xml.create_element("g")
        .with_attribute(("id", id.as_str()))
        .with_attribute(("inkscape:groupmode", "layer"))
        .with_attribute(("inkscape:label", label.as_str()))
        .with_attribute(("fill", "none"))
        .with_attribute(("stroke", layer.pen.color.to_string().as_str()))
        .with_attribute(("stroke-width", pen_width.to_string().as_str()))
        .with_attribute(("stroke-linecap", "round"))
        .with_attribute(("stroke-linejoin", "round"))
        .write_inner_content(|xml| {
            layer.lines.iter().try_for_each(|line| {
                xml.create_element("path")
                    .with_attribute(("d", path_data(line).as_str()))
                    .write_empty()
                    .map(|_| ())
            })
        })?;
    Ok(())
}

fn path_data(line: &Polyline) -> String {
    let mut data = String::new();
    for (index, [x, y]) in line.0.iter().enumerate() {
        let command = match index {
            0 => "M",
            1 => "L",
            _ => " ",
        };
        // Writing to a String cannot fail.
        let _ = write!(data, "{command}{x:.3} {y:.3}");
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::test_plot::two_pens;

    #[test]
    fn a_layer_has_the_number_and_the_name_of_its_pen() {
        let svg = write_plot_svg(&two_pens());
        let document = roxmltree::Document::parse(&svg).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("width"), Some("100mm"));
        assert_eq!(root.attribute("viewBox"), Some("0 0 100 50"));
        let inkscape = "http://www.inkscape.org/namespaces/inkscape";
        let layers: Vec<_> = root
            .children()
            .filter(roxmltree::Node::is_element)
            .collect();
        let labels: Vec<_> = layers
            .iter()
            .map(|layer| layer.attribute((inkscape, "label")).unwrap())
            .collect();
        assert_eq!(labels, ["1-black", "3-red"]);
        assert!(layers.iter().all(|layer| {
            layer.attribute((inkscape, "groupmode")) == Some("layer")
                && layer.attribute("fill") == Some("none")
        }));
        assert_eq!(layers[1].attribute("stroke"), Some("#ff0000"));
        let path = layers[0].first_element_child().unwrap();
        assert_eq!(
            path.attribute("d"),
            Some("M10.000 10.000L20.000 10.000 20.000 20.500")
        );
    }
}
