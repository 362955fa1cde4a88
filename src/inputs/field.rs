//! The one table of inputs: name, type, default, limits, description and order. The checks, the
//! command's help and the reference in the README all come from it.

use serde_json::{Number, Value};

/// The largest whole number that JSON's numbers carry exactly everywhere, `2^53 - 1`.
pub const LARGEST_SEED: i64 = 9_007_199_254_740_991;

/// The regular expression, in the dialect of JSON Schema, of the texts that are a colour.
pub const COLOR_PATTERN: &str = "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";

/// One input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The name, as in a request's `input` and in `-i name=value`.
    pub name: &'static str,
    /// The type with its default and its limits.
    pub kind: Kind,
    /// What it means, in a sentence, with its unit.
    pub description: &'static str,
}

/// The type of an input, its default and what is allowed. Limits are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A text of at most `longest` characters, not empty.
    Text {
        /// Used when the input is absent.
        default: &'static str,
        /// Most characters.
        longest: usize,
    },
    /// A whole number.
    Integer {
        /// Used when the input is absent; none means that the program chooses.
        default: Option<i64>,
        /// Least value.
        least: i64,
        /// Greatest value.
        most: i64,
    },
    /// A finite number.
    Number {
        /// Used when the input is absent.
        default: f64,
        /// Least value.
        least: f64,
        /// Greatest value.
        most: f64,
    },
    /// A colour, `#rrggbb` or `#rgb`.
    Color {
        /// Used when the input is absent.
        default: &'static str,
    },
    /// One of a few words.
    Choice {
        /// Used when the input is absent.
        default: &'static str,
        /// The words.
        choices: &'static [&'static str],
    },
}

const fn integer(default: i64, least: i64, most: i64) -> Kind {
    Kind::Integer {
        default: Some(default),
        least,
        most,
    }
}

const fn number(default: f64, least: f64, most: f64) -> Kind {
    Kind::Number {
        default,
        least,
        most,
    }
}

/// Every input, in the order in which they are shown.
pub const FIELDS: &[Field] = &[
    Field {
        name: "prompt",
        kind: Kind::Text {
            default: "Watercolor painting of an underwater submarine.",
            longest: 4000,
        },
        description: "What to draw. Several prompts are separated by |, each with a weight from -10 to 10 after a colon (default 1; negative means: not this): a red fox | watercolor:0.5 | text:-0.3",
    },
    Field {
        name: "num_paths",
        kind: integer(256, 1, 2048),
        description: "Number of strokes.",
    },
    Field {
        name: "num_iterations",
        kind: integer(600, 1, 10_000),
        description: "Number of optimisation steps.",
    },
    Field {
        name: "display_frequency",
        kind: integer(10, 1, 10_000),
        description: "A frame is given out every so many steps, and at the end.",
    },
    Field {
        name: "distance_from_centre_threshold",
        kind: number(75.0, 0.0, 10_000.0),
        description: "Stroke points may be this far from the centre without penalty, in pixels of a 224 pixel canvas (scales with the canvas).",
    },
    Field {
        name: "distance_from_centre_power",
        kind: number(2.0, 1.0, 10.0),
        description: "Exponent of the penalty on the distance beyond the threshold.",
    },
    Field {
        name: "distance_from_centre_weight",
        kind: number(0.001, 0.0, 1_000_000.0),
        description: "Weight of the penalty on distance from the centre; 0 turns it off.",
    },
    Field {
        name: "seed",
        kind: Kind::Integer {
            default: None,
            least: 0,
            most: LARGEST_SEED,
        },
        description: "Seed of all random choices. The same seed draws the same picture on the same device. Absent: chosen at random and reported.",
    },
    Field {
        name: "centre_x",
        kind: number(0.5, 0.0, 1.0),
        description: "Centre of the penalty-free circle, as a fraction of the canvas width from the left.",
    },
    Field {
        name: "centre_y",
        kind: number(0.5, 0.0, 1.0),
        description: "Centre of the penalty-free circle, as a fraction of the canvas height from the top.",
    },
    Field {
        name: "num_augmentations",
        kind: integer(4, 1, 64),
        description: "Number of randomly warped views of the picture that CLIP looks at in each step.",
    },
    Field {
        name: "min_stroke_width",
        kind: number(2.0, 0.1, 400.0),
        description: "Least full width of a stroke, in pixels of a 224 pixel canvas (scales with the canvas).",
    },
    Field {
        name: "max_stroke_width",
        kind: number(100.0, 0.1, 400.0),
        description: "Greatest full width of a stroke, in pixels of a 224 pixel canvas (scales with the canvas). Not below min_stroke_width.",
    },
    Field {
        name: "canvas_width",
        kind: integer(224, 64, 1024),
        description: "Width of the canvas in pixels.",
    },
    Field {
        name: "canvas_height",
        kind: integer(224, 64, 1024),
        description: "Height of the canvas in pixels.",
    },
    Field {
        name: "background",
        kind: Kind::Color { default: "#ffffff" },
        description: "Colour of the paper, #rrggbb or #rgb.",
    },
    Field {
        name: "clip_weight",
        kind: number(1.0, 0.0, 1000.0),
        description: "Weight of the CLIP loss; 0 leaves the centre constraint alone, as one does to debug a loss.",
    },
    Field {
        name: "recipe",
        kind: Kind::Choice {
            default: "auto",
            choices: &["auto", "original", "compact"],
        },
        description: "How strokes begin and move, and what is asked of the picture besides the prompt: original is CLIPDraw's way, compact suits the embedded model, auto takes what suits the model in use.",
    },
    Field {
        name: "output_format",
        kind: Kind::Choice {
            default: "svg",
            choices: &["svg", "png"],
        },
        description: "File format of the frames and of the finished drawing.",
    },
];

impl Field {
    /// The field of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name)
    }

    /// The default, if the input has one.
    pub fn default_value(&self) -> Option<Value> {
        match self.kind {
            Kind::Text { default, .. } | Kind::Color { default } | Kind::Choice { default, .. } => {
                Some(default.into())
            }
            Kind::Integer { default, .. } => default.map(Value::from),
            Kind::Number { default, .. } => Some(default.into()),
        }
    }

    /// What values are allowed, in words that follow "must be".
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Text { longest, .. } => format!("a text of 1 to {longest} characters"),
            Kind::Integer { least, most, .. } => format!("a whole number from {least} to {most}"),
            Kind::Number { least, most, .. } => format!("a number from {least} to {most}"),
            Kind::Color { .. } => "a colour of the form #rrggbb or #rgb".to_owned(),
            Kind::Choice { choices, .. } => format!("one of {}", choices.join(", ")),
        }
    }

    /// Reads a value from the command line. What is no number where a number belongs is left a
    /// text, which the checks then refuse by name.
    pub fn read_text(&self, text: &str) -> Value {
        let trimmed = text.trim();
        let whole = || trimmed.parse::<i64>().ok().map(Number::from);
        let fraction = || trimmed.parse().ok().and_then(Number::from_f64);
        let number = match self.kind {
            Kind::Integer { .. } => whole().or_else(fraction),
            Kind::Number { .. } => fraction(),
            _ => None,
        };
        number.map_or_else(|| text.into(), Value::Number)
    }
}

/// The whole number in a JSON value, also when it is written as `4.0` or `4e2`.
pub fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= LARGEST_SEED as f64).then_some(number as i64)
    })
}

/// A number as JSON, without the fraction `.0`.
pub fn plain(number: f64) -> Value {
    if number.fract() == 0.0 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
