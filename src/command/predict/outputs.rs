//! Which files a drawing is written to: itself, and its animation.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::animation_file::AnimationFile;
use super::files::DrawingFile;
use crate::draw::Frame;
use crate::inputs::Input;
use crate::output::{AnimationFormat, AnimationOptions, Document, OutputFormat};

/// The name of the drawing where `--output` is absent, without its extension.
const DEFAULT_NAME: &str = "drawing";

/// The files of a drawing. There is at least one.
pub(super) struct Outputs {
    /// The finished drawing.
    drawing: Option<DrawingFile>,
    /// The animation.
    animation: Option<AnimationFile>,
    scale: f32,
}

/// What the command line says about files.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutputArguments<'a> {
    /// `--output`.
    pub(super) output: Option<&'a Path>,
    /// `--animation`.
    pub(super) animation: Option<&'a Path>,
    /// `--png-scale`.
    pub(super) scale: f32,
    /// What is added to the names of files where several drawings are written, such as `-1`; empty for a single drawing.
    pub(super) suffix: &'a str,
}

impl Outputs {
    /// The files that the command line and the inputs ask for.
    ///
    /// # Errors
    /// If an extension is not that of a format, or a file cannot be written.
    pub(super) fn new(arguments: &OutputArguments<'_>, input: &Input) -> anyhow::Result<Self> {
        let suffix = arguments.suffix;
        let output = numbered_output(arguments, input)?;
        let animation = arguments.animation.map(|path| with_suffix(path, suffix));
        let arguments = &OutputArguments {
            output: output.as_deref(),
            animation: animation.as_deref(),
            ..*arguments
        };
        let animation = animation_path(arguments, input)?;
        let only_animation = animation
            .as_ref()
            .is_some_and(|(path, _)| Some(path.as_path()) == arguments.output);
        let drawing = if only_animation {
            None
        } else {
            let file = DrawingFile::new(arguments.output, input.output_format())?;
            file.format
                .check_size(&input.spec().canvas, arguments.scale)
                .context("--png-scale")?;
            Some(file)
        };
        let animation = animation.map(|(path, format)| {
            let options = AnimationOptions {
                format,
                style: input.animation_style(),
                scale: arguments.scale,
            };
            AnimationFile::new(&path, options, input.animation_size())
        });
        Ok(Self {
            drawing,
            animation: animation.transpose()?,
            scale: arguments.scale,
        })
    }

    /// Adds a frame that is not the last one to the animation.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub(super) fn add(&mut self, frame: &Frame) -> anyhow::Result<()> {
        match &mut self.animation {
            Some(animation) => animation
                .add(frame)
                .with_context(|| format!("{} cannot be written", animation.name())),
            None => Ok(()),
        }
    }

    /// Writes the finished drawing, after its animation.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub(super) fn finish(&mut self, document: &Document<'_>) -> anyhow::Result<()> {
        if let Some(animation) = &mut self.animation {
            animation
                .finish(document)
                .with_context(|| format!("{} cannot be written", animation.name()))?;
        }
        match &self.drawing {
            Some(file) => file.write(&document.encode(file.format, self.scale)?),
            None => Ok(()),
        }
    }

    /// The format of the frames: that of the drawing, or without one that of the inputs.
    pub(super) fn frame_format(&self, input: &Input) -> OutputFormat {
        let drawing = self.drawing.as_ref();
        drawing.map_or(input.output_format(), |file| file.format)
    }

    /// The names of the files in messages.
    pub(super) fn names(&self) -> String {
        let drawing = self.drawing.iter().map(DrawingFile::name);
        let names = drawing.chain(self.animation.iter().map(AnimationFile::name));
        names.collect::<Vec<_>>().join(" and ")
    }
}

/// Where the drawing is written: `--output` with the suffix. The default file is named here only if it has a suffix.
fn numbered_output(
    arguments: &OutputArguments<'_>,
    input: &Input,
) -> anyhow::Result<Option<PathBuf>> {
    match arguments.output {
        _ if arguments.suffix.is_empty() => Ok(arguments.output.map(Path::to_owned)),
        Some(path) if path == Path::new("-") => {
            bail!("--output -: standard output is for one drawing only; give the name of a file")
        }
        Some(path) => Ok(Some(with_suffix(path, arguments.suffix))),
        None => {
            let path = Path::new(DEFAULT_NAME).with_extension(input.output_format().extension());
            Ok(Some(with_suffix(&path, arguments.suffix)))
        }
    }
}

/// `fox-1.svg` for `fox.svg` and `-1`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Where the animation is written and in which format. It is that of `--animation`, or `--output` if its extension is
/// that of an animation only, or beside the drawing if the inputs request one.
fn animation_path(
    arguments: &OutputArguments<'_>,
    input: &Input,
) -> anyhow::Result<Option<(PathBuf, AnimationFormat)>> {
    let drawing = arguments
        .output
        .and_then(|path| Some((path, format_of(path)?)));
    let drawing = drawing.filter(|(_, format)| *format != AnimationFormat::Svg);
    match (arguments.animation, drawing) {
        (Some(_), Some((path, _))) => bail!(
            "--output {} is an animation already; give --animation or --output with the extension .svg or .png",
            path.display()
        ),
        (Some(path), None) if Some(path) == arguments.output => bail!(
            "--animation and --output are the same file, {}",
            path.display()
        ),
        (Some(path), None) => {
            let format = format_of(path).with_context(|| {
                let path = path.display();
                format!("--animation {path}: the extension must be .svg, .gif or .webp")
            })?;
            Ok(Some((path.to_owned(), format)))
        }
        (None, Some((path, format))) => match input.animation_format() {
            Some(wanted) if wanted != format => bail!(
                "--output {}: its extension asks for an animation in {}, and the input animation for {}; leave out \
                 one of them, or name the other file with --animation",
                path.display(),
                format.extension(),
                wanted.extension()
            ),
            _ => Ok(Some((path.to_owned(), format))),
        },
        (None, None) => {
            let path = arguments.output.unwrap_or(Path::new(DEFAULT_NAME));
            match input.animation_format() {
                Some(_) if path == Path::new("-") => {
                    bail!("--output -: the animation needs a file; give its name with --animation")
                }
                Some(format) => Ok(Some((beside(path, format), format))),
                None => Ok(None),
            }
        }
    }
}

fn format_of(path: &Path) -> Option<AnimationFormat> {
    AnimationFormat::from_extension(path.extension()?.to_str()?)
}

/// `fox-animation.gif` beside `fox.svg`.
fn beside(drawing: &Path, format: AnimationFormat) -> PathBuf {
    let mut name = drawing
        .file_stem()
        .unwrap_or(OsStr::new(DEFAULT_NAME))
        .to_owned();
    name.push("-animation.");
    name.push(format.extension());
    drawing.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(output: Option<&str>, animation: Option<&str>, input: &str) -> String {
        let values = json!({ "animation": input });
        let input = Input::from_values(values.as_object().unwrap()).unwrap();
        let arguments = OutputArguments {
            output: output.map(Path::new),
            animation: animation.map(Path::new),
            scale: 1.0,
            suffix: "",
        };
        match animation_path(&arguments, &input) {
            Ok(Some((path, format))) => format!("{} {}", path.display(), format.extension()),
            Ok(None) => "nothing".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn the_suffix_comes_before_the_extension() {
        let input = Input::from_values(&serde_json::Map::new()).unwrap();
        let path = |output: Option<&str>| {
            let arguments = OutputArguments {
                output: output.map(Path::new),
                animation: None,
                scale: 1.0,
                suffix: "-2",
            };
            numbered_output(&arguments, &input).map(|path| path.unwrap().display().to_string())
        };
        assert_eq!(path(Some("a/fox.svg")).unwrap(), "a/fox-2.svg");
        assert_eq!(path(Some("a.b/fox.1.png")).unwrap(), "a.b/fox.1-2.png");
        assert_eq!(path(None).unwrap(), "drawing-2.svg");
        let error = path(Some("-")).unwrap_err().to_string();
        assert!(error.contains("one drawing only"), "{error}");
    }

    #[test]
    fn the_animation_is_where_the_options_or_the_inputs_say() {
        assert_eq!(path(None, None, "none"), "nothing");
        assert_eq!(path(Some("a.svg"), None, "none"), "nothing");
        assert_eq!(path(Some("b/a.GIF"), None, "gif"), "b/a.GIF gif");
        let error = path(Some("b/a.gif"), None, "webp");
        assert!(
            error.contains("b/a.gif") && error.contains("webp"),
            "{error}"
        );
        assert_eq!(path(Some("a.webp"), None, "none"), "a.webp webp");
        assert_eq!(path(None, None, "gif"), "drawing-animation.gif gif");
        assert_eq!(path(Some("b/a.png"), None, "svg"), "b/a-animation.svg svg");
        assert_eq!(path(Some("a.svg"), Some("c.svg"), "gif"), "c.svg svg");
        assert!(path(Some("a.svg"), Some("a.svg"), "none").contains("the same file"));
        assert!(path(Some("a.gif"), Some("a.svg"), "none").contains("animation already"));
        assert!(path(Some("-"), None, "gif").contains("needs a file"));
        assert!(path(None, Some("a.png"), "none").contains("must be .svg, .gif or .webp"));
    }
}
