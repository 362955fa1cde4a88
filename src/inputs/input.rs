//! The inputs of one prediction: from raw JSON values to a plan that has been checked.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::declaration::broken_rule;
use super::error::{InputError, InputErrors};
use super::field::{Kind, whole_number};
use super::prompt::{TokenLimit, parse_prompts};
use super::table::{FIELDS, Inputs, Plan};
use super::unknown;
use crate::clip::CONTEXT;
use crate::draw::{Frame, Spec, WeightedPrompt};
use crate::output::{
    AnimationFormat, AnimationOptions, AnimationSize, AnimationStyle, Document, OutputFormat,
    Provenance, SizeFactors,
};

/// Seeds that the program chooses are below this, so that every client can send them back (the
/// `cog` command reads whole numbers as 32-bit ones).
const RANDOM_SEEDS: u64 = 1 << 31;

/// The name of the input with the prompts.
const PROMPT: &str = "prompt";

/// The name of the input that says whether prompts are cut.
const TRUNCATE: &str = "truncate";

/// Checked inputs with their defaults filled in. Serialized, they are an object of their values;
/// deserializing checks them again, except for the number of tokens, whose limit depends on the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    values: Map<String, Value>,
    plan: Plan,
}

impl Input {
    /// Checks raw values. An unknown name is an error. Inputs that are absent or `null` get their
    /// default; an absent seed is chosen at random. A prompt may have as many tokens as
    /// OpenAI's models read.
    ///
    /// # Errors
    /// With every input that is unknown, of the wrong type or outside its limits.
    pub fn from_values(raw: &Map<String, Value>) -> Result<Self, InputErrors> {
        Self::checked(raw, unknown::errors(raw), CONTEXT as usize)
    }

    /// As [`Self::from_values`], for a model that is not known yet: prompts may have any number of tokens. Call
    /// [`Self::check_tokens`] once it is known.
    ///
    /// # Errors
    /// As [`Self::from_values`].
    pub fn from_values_of_any_length(raw: &Map<String, Value>) -> Result<Self, InputErrors> {
        Self::checked(raw, unknown::errors(raw), usize::MAX)
    }

    /// Checks that no prompt has more than `limit` tokens, including the start and end tokens, even after it has been cut.
    ///
    /// # Errors
    /// When one of them has more tokens.
    pub fn check_tokens(&self, limit: usize) -> Result<(), InputErrors> {
        match token_error(
            &self.values,
            &self.plan.spec.prompts,
            self.token_limit(limit),
        ) {
            None => Ok(()),
            Some(error) => Err(InputErrors(vec![error])),
        }
    }

    /// Checks the raw values of a request as [`Self::from_values`] does, but ignores unknown names,
    /// as Cog's server does. The second part of the result has a line about each of these, limited
    /// in number and length, and those of [`Self::prompt_notes`].
    ///
    /// # Errors
    /// With every input that is of the wrong type or outside its limits.
    pub fn from_request(raw: &Map<String, Value>) -> Result<(Self, Vec<String>), InputErrors> {
        Self::from_request_within(raw, CONTEXT as usize)
    }

    /// As [`Self::from_request`], for a model that reads at most `token_limit` tokens, including the start
    /// and end tokens.
    ///
    /// # Errors
    /// As [`Self::from_request`].
    pub fn from_request_within(
        raw: &Map<String, Value>,
        token_limit: usize,
    ) -> Result<(Self, Vec<String>), InputErrors> {
        let input = Self::checked(raw, Vec::new(), token_limit)?;
        let mut notes = unknown::notes(raw);
        notes.extend(input.prompt_notes(token_limit));
        Ok((input, notes))
    }

    /// Lines about prompts that could have been meant in another way, that a model which reads at most `limit` tokens
    /// reads only in part, or that it may not understand.
    pub fn prompt_notes(&self, limit: usize) -> Vec<String> {
        let mut notes = self.plan.prompt_notes.clone();
        notes.extend(self.token_limit(limit).notes(&self.plan.spec.prompts));
        notes
    }

    /// Every input by name, in the table's order, the seed included.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// The prompt as the caller wrote it.
    pub fn prompt(&self) -> &str {
        &self.plan.prompt
    }

    /// The plan of the drawing.
    pub fn spec(&self) -> &Spec {
        &self.plan.spec
    }

    /// The file format of the frames and of the drawing.
    pub fn output_format(&self) -> OutputFormat {
        self.plan.output_format
    }

    /// The file format of the animation, if there is one.
    pub fn animation_format(&self) -> Option<AnimationFormat> {
        self.plan.animation
    }

    /// What an animation shows.
    pub fn animation_style(&self) -> AnimationStyle {
        self.plan.animation_style
    }

    /// What the size of an animation depends on.
    pub fn animation_size(&self) -> AnimationSize {
        let spec = &self.plan.spec;
        AnimationSize {
            canvas: spec.canvas,
            strokes: spec.strokes,
            frames: spec.steps.div_ceil(spec.steps_per_frame) + 1,
        }
    }

    /// An estimated upper bound of the size of the animation in bytes, 0 without one.
    pub fn estimated_animation_bytes(&self) -> u64 {
        self.plan.animation.map_or(0, |format| {
            let options = AnimationOptions {
                format,
                style: self.plan.animation_style,
                scale: 1.0,
            };
            options.estimate_bytes(&self.animation_size(), self.plan.prompt.len())
        })
    }

    /// An estimated upper bound of the size of one file in bytes.
    pub fn estimated_file_bytes(&self) -> u64 {
        self.plan.output_format.estimate_bytes(&SizeFactors {
            strokes: self.plan.spec.strokes,
            canvas: &self.plan.spec.canvas,
            prompt_bytes: self.plan.prompt.len(),
        })
    }

    /// A frame of the drawing that these inputs describe, ready to be written.
    pub fn document<'a>(&'a self, frame: &'a Frame, provenance: &'a Provenance) -> Document<'a> {
        Document {
            frame,
            canvas: &self.plan.spec.canvas,
            prompt: &self.plan.prompt,
            inputs: &self.values,
            provenance,
        }
    }

    fn token_limit(&self, tokens: usize) -> TokenLimit {
        TokenLimit {
            tokens,
            truncate: self.plan.spec.truncate,
        }
    }

    fn checked(
        raw: &Map<String, Value>,
        mut errors: Vec<InputError>,
        token_limit: usize,
    ) -> Result<Self, InputErrors> {
        let values = with_defaults(raw);
        let before = errors.len();
        let inputs = Inputs::read(&values, &mut errors);
        let prompt_is_wrong = errors.iter().any(|error| error.field == PROMPT);
        let prompt = values
            .get(PROMPT)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !prompt_is_wrong && let Ok(parts) = parse_prompts(prompt) {
            // The prompt is the first input of the table, and errors are in the order of the table.
            let limit = TokenLimit {
                tokens: token_limit,
                truncate: values.get(TRUNCATE).and_then(Value::as_bool) == Some(true),
            };
            errors.splice(before..before, token_error(&values, &parts, limit));
        }
        let (Some(inputs), true) = (inputs, errors.is_empty()) else {
            return Err(InputErrors(errors));
        };
        inputs
            .check_together()
            .map_err(|error| InputErrors(vec![error]))?;
        Ok(Self {
            values: without_fractions(values),
            plan: inputs.into_plan(),
        })
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Map::deserialize(deserializer)?;
        Self::from_values_of_any_length(&values).map_err(D::Error::custom)
    }
}

/// The error if a prompt has too many tokens.
fn token_error(
    values: &Map<String, Value>,
    parts: &[WeightedPrompt],
    limit: TokenLimit,
) -> Option<InputError> {
    let error = limit.check(parts).err()?;
    let value = values.get(PROMPT).unwrap_or(&Value::Null);
    Some(broken_rule(PROMPT, value, error.to_string()))
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
                .or_else(|| field.kind.default_value())
                .unwrap_or_else(|| rand::random_range(0..RANDOM_SEEDS).into());
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::inputs::MAX_SEED;
    use crate::scene::Canvas;

    fn errors_of(raw: &Value) -> Vec<InputError> {
        Input::from_values(raw.as_object().unwrap()).unwrap_err().0
    }

    #[test]
    fn no_inputs_give_the_defaults_of_the_replaced_program() {
        let input = Input::from_values(&Map::new()).unwrap();
        assert_eq!(
            input.plan.spec.prompts[0].text,
            "Watercolor painting of an underwater submarine."
        );
        assert_eq!(
            (
                input.plan.spec.strokes,
                input.plan.spec.steps,
                input.plan.spec.steps_per_frame
            ),
            (256, 600, 10)
        );
        let centre = input.plan.spec.objective.center;
        assert_eq!(
            (centre.threshold, centre.power, centre.weight),
            (75.0, 2.0, 0.001)
        );
        assert_eq!(input.plan.spec.canvas, Canvas::default());
        assert_eq!(input.plan.output_format, OutputFormat::Svg);
        assert!(input.plan.spec.seed < RANDOM_SEEDS);
        assert_eq!(input.values["seed"], json!(input.plan.spec.seed));
        assert_ne!(
            input.plan.spec.seed,
            Input::from_values(&Map::new()).unwrap().plan.spec.seed
        );
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
                "has 102 tokens, including the start and end tokens; at most 77 are allowed",
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
                "promt: there is no such input (did you mean `prompt`?); allowed are prompt, ",
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
    fn a_boolean_is_neither_a_text_nor_a_number() {
        for wrong in [json!("true"), json!(1)] {
            let error = errors_of(&json!({"truncate": wrong})).remove(0).to_string();
            let expected = format!("truncate: {wrong} is not allowed; it must be true or false");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn the_limit_of_tokens_is_that_of_the_model() {
        let words = "word ".repeat(30);
        for (limit, truncate, is_allowed) in [
            (77, false, true),
            (32, false, true),
            (16, false, false),
            (16, true, true),
        ] {
            let raw = json!({"prompt": words, "truncate": truncate});
            let result = Input::from_request_within(raw.as_object().unwrap(), limit);
            assert_eq!(result.is_ok(), is_allowed, "{limit} {truncate}");
            if let Ok((input, notes)) = result {
                assert_eq!(notes.len(), usize::from(truncate), "{notes:?}");
                assert_eq!(input.values()["prompt"], json!(words));
                assert_eq!(input.spec().truncate, truncate);
            }
        }
    }

    #[test]
    fn all_wrong_inputs_are_reported_at_once() {
        let errors = errors_of(&json!({"num_paths": 0, "prompt": "", "what": 1}));
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["what", "prompt", "num_paths"]);
    }

    #[test]
    fn unknown_names_in_a_request_are_ignored_with_a_note_about_each() {
        let raw = json!({"num_path": 3, "num_paths": 5});
        let (input, notes) = Input::from_request(raw.as_object().unwrap()).unwrap();
        assert_eq!((input.plan.spec.strokes, notes.len()), (5, 1));
        assert_eq!(input.values.len(), FIELDS.len());
    }

    #[test]
    fn null_means_absent_and_whole_numbers_may_have_a_zero_fraction() {
        let raw = json!({"seed": null, "prompt": null, "num_paths": 4.0});
        let input = Input::from_values(raw.as_object().unwrap()).unwrap();
        assert_eq!(input.plan.spec.strokes, 4);
        assert_eq!(input.values["num_paths"].to_string(), "4");
    }

    #[test]
    fn a_whole_number_with_a_zero_fraction_keeps_its_value() {
        // Every one of these has a float of its own.
        let seeds = (0..2_000).map(|step| MAX_SEED - step * 3_517_201_935_113);
        for seed in seeds.chain([3_691_107_552_740_887, 2_117_999_999_999_997]) {
            let raw: Map<String, Value> =
                serde_json::from_str(&format!("{{\"seed\": {seed}.0}}")).unwrap();
            let input = Input::from_values(&raw).unwrap();
            assert_eq!(input.plan.spec.seed, seed as u64);
        }
    }

    #[test]
    fn inputs_survive_serialization_and_are_checked_when_they_come_back() {
        let raw = json!({
            "prompt": "a fox | text:-0.3", "num_paths": 4.0, "clip_weight": 1, "background": "#0aF",
            "recipe": "compact", "output_format": "png",
        });
        for raw in [raw, json!({})] {
            let input = Input::from_values(raw.as_object().unwrap()).unwrap();
            let text = serde_json::to_string(&input).unwrap();
            assert_eq!(text, Value::Object(input.values.clone()).to_string());
            assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), input);
            let broken = text.replace("\"display_frequency\":10", "\"display_frequency\":0");
            let error = serde_json::from_str::<Input>(&broken)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("display_frequency: 0 is not allowed"),
                "{error}"
            );
        }
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
            raw.insert(field.name.to_owned(), field.kind.parse(&text));
            if let Ok(input) = Input::from_values(&raw) {
                prop_assert!(FIELDS.iter().all(|field| field.kind.violations(&input.values[field.name]).is_empty()));
            }
        }

        #[test]
        fn a_number_on_the_command_line_is_parsed_exactly(number in -10.0..2.0e4_f64) {
            for field in FIELDS.iter().filter(|field| matches!(field.kind, Kind::Number { .. })) {
                let read = field.kind.parse(&number.to_string());
                prop_assert_eq!(read.as_f64(), Some(number));
            }
        }
    }
}
