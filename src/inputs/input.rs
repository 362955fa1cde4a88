//! The inputs of one prediction: raw JSON values in, a plan that cannot be wrong out.

use serde_json::{Map, Value};

use super::error::{InputError, InputErrors, Problem};
use super::field::{FIELDS, Field, Kind, plain, whole_number};
use super::prompt::parse_prompts;
use super::quote::Quote;
use super::unknown;
use crate::clip::Tokenizer;
use crate::clip::config::CONTEXT;
use crate::draw::{CenterConstraint, Frame, ObjectiveSpec, Preset, Spec, WeightedPrompt};
use crate::output::{Document, OutputFormat, Provenance};
use crate::scene::{Canvas, Rgb};

/// Seeds that the program chooses lie below this, so that every client can pass them back (the
/// `cog` command reads whole numbers as 32-bit ones).
const CHOSEN_SEEDS: u64 = 1 << 31;

/// Checked inputs with their defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Every input by name, in the table's order, the seed included.
    pub values: Map<String, Value>,
    /// The plan of the drawing that they describe.
    pub spec: Spec,
    /// The file format of frames and drawing.
    pub output_format: OutputFormat,
}

impl Input {
    /// Checks raw values, of which none may be unknown. Absent inputs and those that are `null` get
    /// their default; an absent seed is chosen at random.
    ///
    /// # Errors
    /// With every input that is unknown, of the wrong type or outside its limits.
    pub fn from_values(raw: &Map<String, Value>) -> Result<Self, InputErrors> {
        Self::checked(raw, unknown::errors(raw))
    }

    /// Checks the raw values of a request as [`Self::from_values`] does, but passes over those that
    /// are unknown, as Cog's server does. The second part of the answer holds a line about each of
    /// these, bounded in number and length.
    ///
    /// # Errors
    /// With every input that is of the wrong type or outside its limits.
    pub fn from_request(raw: &Map<String, Value>) -> Result<(Self, Vec<String>), InputErrors> {
        Ok((Self::checked(raw, Vec::new())?, unknown::notes(raw)))
    }

    /// The prompt as the caller wrote it.
    pub fn prompt(&self) -> &str {
        self.values["prompt"].as_str().unwrap_or_default()
    }

    /// A frame of the drawing that these inputs describe, ready to be written.
    pub fn document<'a>(&'a self, frame: &'a Frame, provenance: &'a Provenance) -> Document<'a> {
        Document {
            frame,
            canvas: &self.spec.canvas,
            inputs: &self.values,
            provenance,
        }
    }

    fn checked(raw: &Map<String, Value>, mut errors: Vec<InputError>) -> Result<Self, InputErrors> {
        let values = with_defaults(raw);
        errors.extend(
            FIELDS
                .iter()
                .filter_map(|field| check(field, &values[field.name])),
        );
        let read = Reader { values: &values };
        let prompts = parse_prompts(read.text("prompt"));
        if errors.iter().all(|error| error.field != "prompt") {
            errors.extend(match &prompts {
                Ok(prompts) => prompts.iter().find_map(too_many_tokens),
                Err(cause) => Some(rule("prompt", &values["prompt"], cause.to_string())),
            });
        }
        if errors.is_empty() {
            errors.extend(widths_out_of_order(&read));
        }
        let (true, Ok(prompts)) = (errors.is_empty(), prompts) else {
            return Err(InputErrors(errors));
        };
        let spec = Spec {
            prompts,
            ..read.spec()
        };
        let output_format = read.text("output_format").parse().unwrap_or_default();
        Ok(Self {
            values: without_fractions(values),
            spec,
            output_format,
        })
    }
}

/// Why a prompt is too long for CLIP's text transformer, if it is.
fn too_many_tokens(prompt: &WeightedPrompt) -> Option<InputError> {
    let tokens = Tokenizer::shared().encode(&prompt.text).len();
    (tokens > CONTEXT as usize).then(|| {
        rule(
            "prompt",
            &prompt.text.as_str().into(),
            format!("it has {tokens} tokens with the start and end marks, and must have at most {CONTEXT}"),
        )
    })
}

fn with_defaults(raw: &Map<String, Value>) -> Map<String, Value> {
    FIELDS
        .iter()
        .map(|field| {
            let given = raw
                .get(field.name)
                .filter(|value| !value.is_null())
                .cloned();
            let value = given
                .or_else(|| field.default_value())
                .unwrap_or_else(|| rand::random_range(0..CHOSEN_SEEDS).into());
            (field.name.to_owned(), value)
        })
        .collect()
}

/// Writes `4.0` as `4` where a whole number is meant: the schema of answers wants it so, and the
/// same inputs give the same bytes however they were written.
fn without_fractions(mut values: Map<String, Value>) -> Map<String, Value> {
    for field in FIELDS {
        if let (Kind::Integer { .. }, Some(value)) = (&field.kind, values.get_mut(field.name))
            && let Some(whole) = whole_number(value)
        {
            *value = whole.into();
        }
    }
    values
}

fn check(field: &Field, value: &Value) -> Option<InputError> {
    let violations = field.violations(value);
    if !violations.is_empty() {
        let problem = Problem::Limits {
            value: Quote::of(value),
            violations,
            allowed: field.allowed(),
        };
        return Some(InputError {
            field: field.name.to_owned(),
            problem,
        });
    }
    let text = matches!(field.kind, Kind::Text { .. }).then(|| value.as_str())??;
    text.trim().is_empty().then(|| {
        let wish = format!("it must be {}, not all of them spaces", field.allowed());
        rule(field.name, value, wish)
    })
}

fn rule(field: &str, value: &Value, rule: String) -> InputError {
    InputError {
        field: field.to_owned(),
        problem: Problem::Rule {
            value: Quote::of(value),
            rule,
        },
    }
}

fn widths_out_of_order(read: &Reader<'_>) -> Option<InputError> {
    let [least, most] = ["min_stroke_width", "max_stroke_width"].map(|name| read.number(name));
    (most < least).then(|| {
        let wish = format!("it must be at least min_stroke_width, {least}");
        rule("max_stroke_width", &plain(most), wish)
    })
}

/// Typed access to values that [`check`] has passed; a value that has not reads as zero or empty
/// and is never used.
struct Reader<'a> {
    values: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> &str {
        self.values[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> f64 {
        self.values[name].as_f64().unwrap_or_default()
    }

    fn whole(&self, name: &str) -> u64 {
        whole_number(&self.values[name]).unwrap_or_default() as u64
    }

    fn spec(&self) -> Spec {
        Spec {
            prompts: Vec::new(),
            canvas: Canvas {
                width: self.whole("canvas_width") as u32,
                height: self.whole("canvas_height") as u32,
                background: self.text("background").parse().unwrap_or(Rgb::WHITE),
            },
            strokes: self.whole("num_paths") as usize,
            steps: self.whole("num_iterations") as usize,
            steps_per_frame: self.whole("display_frequency") as usize,
            views: self.whole("num_augmentations") as usize,
            seed: self.whole("seed"),
            objective: ObjectiveSpec {
                clip_weight: self.number("clip_weight"),
                center: CenterConstraint {
                    position: [self.number("centre_x"), self.number("centre_y")],
                    threshold: self.number("distance_from_centre_threshold"),
                    power: self.number("distance_from_centre_power"),
                    weight: self.number("distance_from_centre_weight"),
                },
            },
            stroke_widths: [
                self.number("min_stroke_width") as f32,
                self.number("max_stroke_width") as f32,
            ],
            preset: match self.text("recipe") {
                "original" => Some(Preset::ORIGINAL),
                "compact" => Some(Preset::COMPACT),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn errors_of(raw: &Value) -> Vec<InputError> {
        Input::from_values(raw.as_object().unwrap()).unwrap_err().0
    }

    #[test]
    fn no_inputs_give_the_defaults_of_the_replaced_program() {
        let input = Input::from_values(&Map::new()).unwrap();
        assert_eq!(
            input.spec.prompts[0].text,
            "Watercolor painting of an underwater submarine."
        );
        assert_eq!(
            (
                input.spec.strokes,
                input.spec.steps,
                input.spec.steps_per_frame
            ),
            (256, 600, 10)
        );
        let centre = input.spec.objective.center;
        assert_eq!(
            (centre.threshold, centre.power, centre.weight),
            (75.0, 2.0, 0.001)
        );
        assert_eq!(input.spec.canvas, Canvas::default());
        assert_eq!(input.output_format, OutputFormat::Svg);
        assert!(input.spec.seed < CHOSEN_SEEDS);
        assert_eq!(input.values["seed"], json!(input.spec.seed));
        assert_ne!(
            input.spec.seed,
            Input::from_values(&Map::new()).unwrap().spec.seed
        );
    }

    #[test]
    fn the_defaults_of_the_table_are_allowed_by_the_table() {
        for field in FIELDS {
            assert!(
                field
                    .default_value()
                    .is_none_or(|value| field.violations(&value).is_empty()),
                "{}",
                field.name
            );
        }
    }

    #[test]
    fn every_wrong_input_is_named_with_its_value_and_what_is_allowed() {
        let cases = [
            (
                json!({"num_paths": 0}),
                "num_paths: 0 is not allowed; it must be a whole number from 1 to 2048",
            ),
            (json!({"num_paths": 1e9}), "num_paths: 1000000000.0 is"),
            (json!({"num_paths": 2.5}), "num_paths: 2.5 is"),
            (json!({"num_paths": "many"}), "num_paths: \"many\" is"),
            (json!({"num_iterations": true}), "num_iterations: true is"),
            (
                json!({"prompt": "  "}),
                "prompt: \"  \" is not allowed; it must be a text of 1 to 4000",
            ),
            (
                json!({"prompt": "a | :2"}),
                "prompt: \"a | :2\" is not allowed; part 2 of 2 is empty",
            ),
            (json!({"prompt": 7}), "prompt: 7 is"),
            (
                json!({"prompt": format!("a fox | {}", "very ".repeat(100))}),
                "it has 102 tokens with the start and end marks, and must have at most 77",
            ),
            (
                json!({"background": "blue"}),
                "background: \"blue\" is not allowed; it must be a colour",
            ),
            (json!({"output_format": "gif"}), "must be one of svg, png"),
            (json!({"seed": -1}), "seed: -1 is"),
            (
                json!({"seed": 9_007_199_254_740_992_u64}),
                "seed: 9007199254740992 is",
            ),
            (
                json!({"centre_x": 1.01}),
                "centre_x: 1.01 is not allowed; it must be a number from 0 to 1",
            ),
            (
                json!({"distance_from_centre_power": 0.5}),
                "must be a number from 1 to 10",
            ),
            (
                json!({"min_stroke_width": 9, "max_stroke_width": 3}),
                "max_stroke_width: 3 is not allowed; it must be at least min_stroke_width, 9",
            ),
            (
                json!({"promt": "a"}),
                "promt: there is no such input; allowed are prompt, ",
            ),
        ];
        for (raw, expected) in cases {
            let errors = errors_of(&raw);
            assert_eq!(errors.len(), 1, "{raw}: {errors:?}");
            assert!(
                errors[0].to_string().contains(expected),
                "{raw}: {}",
                errors[0]
            );
        }
    }

    #[test]
    fn all_wrong_inputs_are_reported_at_once() {
        let errors = errors_of(&json!({"num_paths": 0, "prompt": "", "what": 1}));
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["what", "prompt", "num_paths"]);
    }

    #[test]
    fn a_request_passes_over_unknown_names_with_a_note_about_each() {
        let raw = json!({"num_path": 3, "num_paths": 5});
        let (input, notes) = Input::from_request(raw.as_object().unwrap()).unwrap();
        assert_eq!((input.spec.strokes, notes.len()), (5, 1));
        assert_eq!(input.values.len(), FIELDS.len());
    }

    #[test]
    fn a_rule_beyond_the_limits_is_told_alike_to_people_and_over_http() {
        for raw in [
            json!({"prompt": "\t "}),
            json!({"prompt": "a:11"}),
            json!({"prompt": "very ".repeat(100)}),
            json!({"min_stroke_width": 200}),
        ] {
            let errors = Input::from_request(raw.as_object().unwrap()).unwrap_err();
            let details = errors.details();
            assert_eq!(details.len(), 1, "{raw}");
            assert_eq!(
                format!("{}: {}", details[0].loc[2], details[0].msg),
                errors.to_string()
            );
        }
    }

    #[test]
    fn null_means_absent_and_whole_numbers_may_have_a_zero_fraction() {
        let raw = json!({"seed": null, "prompt": null, "num_paths": 4.0});
        let input = Input::from_values(raw.as_object().unwrap()).unwrap();
        assert_eq!(input.spec.strokes, 4);
        assert_eq!(input.values["num_paths"].to_string(), "4");
    }

    #[test]
    fn a_long_wrong_value_is_quoted_in_part() {
        let error = errors_of(&json!({"background": "é".repeat(10_000)})).remove(0);
        assert!(error.to_string().len() < 250, "{error}");
    }

    proptest! {
        #[test]
        fn no_text_on_the_command_line_crashes_the_checks(index in 0..FIELDS.len(), text in ".{0,40}") {
            let field = &FIELDS[index];
            let mut raw = Map::new();
            raw.insert(field.name.to_owned(), field.read_text(&text));
            if let Ok(input) = Input::from_values(&raw) {
                prop_assert!(FIELDS.iter().all(|field| field.violations(&input.values[field.name]).is_empty()));
            }
        }

        #[test]
        fn every_allowed_number_comes_out_as_it_went_in(number in -10.0..2.0e4_f64) {
            for field in FIELDS.iter().filter(|field| matches!(field.kind, Kind::Number { .. })) {
                let read = field.read_text(&number.to_string());
                prop_assert_eq!(read.as_f64(), Some(number));
            }
        }
    }
}
