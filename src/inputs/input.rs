//! The inputs of one prediction: from raw JSON values to a plan that has been checked.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use url::Url;

use super::declaration::broken_rule;
use super::error::{InputError, InputErrors};
use super::field::{Kind, whole_number};
use super::file::{File, FileContent};
use super::inherit::{INIT_SVG, NUM_OUTPUTS, inherit};
use super::prompt::{TokenLimit, parse_prompts};
use super::table::{
    FIELDS, IMAGE_PROMPT, Inputs, MAX_OUTPUTS, Plan, REGION_MASK, REGION_SHAPE, THRESHOLD,
};
use super::unknown;
use crate::clip::CONTEXT;
use crate::draw::{Frame, Spec, WeightedPrompt};
use crate::import::MAX_STROKES;
use crate::output::{
    AnimationFormat, AnimationOptions, AnimationSize, AnimationStyle, Document, OutputFormat,
    Provenance, SizeFactors,
};

/// Seeds that the program chooses are below this, so that every client can send those of all drawings back (the `cog`
/// command reads whole numbers as 32-bit ones).
const RANDOM_SEEDS: u64 = (1 << 31) - MAX_OUTPUTS;

/// The name of the input with the prompts.
const PROMPT: &str = "prompt";

/// The name of the input with the seed of the first drawing.
const SEED: &str = "seed";

/// The name of the input that says whether prompts are cut.
const TRUNCATE: &str = "truncate";

/// Checked inputs with their defaults filled in. Serialized, they are an object of their values;
/// deserializing checks them again, except for the number of tokens, whose limit depends on the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Every input by name, with its default if it was not given; files only where they were given.
    values: Map<String, Value>,
    /// What was given, if a file has yet to be fetched. What it says can decide about other inputs.
    unfetched: Option<Map<String, Value>>,
    /// For each drawing its own inputs, with which it is drawn alone: `values` with its seed, and a description in the place
    /// of each file.
    described: Vec<Map<String, Value>>,
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
    /// reads only in part, or that it may not understand, and about what was changed or left out of a file with strokes.
    pub fn prompt_notes(&self, limit: usize) -> Vec<String> {
        let mut notes = self.plan.notes.clone();
        notes.extend(self.token_limit(limit).notes(&self.plan.spec.prompts));
        notes
    }

    /// Every input that has a value by name, in the table's order, the seed included.
    pub fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// [`Self::values`] for responses: in the place of a file is its address without secrets, or a data URL with its length
    /// and digest instead of its content.
    pub fn shown_values(&self) -> Map<String, Value> {
        let mut shown = self.values.clone();
        for (name, file) in files(&self.values) {
            shown.insert(name.to_owned(), file.shown().into());
        }
        shown
    }

    /// The addresses of the files that have to be fetched before the drawing begins, with the names of their inputs.
    pub fn links(&self) -> Vec<(&'static str, Url)> {
        // To read the files that are there takes long, and the thread that draws asks for each prediction.
        if self.unfetched.is_none() {
            return Vec::new();
        }
        let links = files(&self.values).filter_map(|(name, file)| match file {
            File::Link(url) => Some((name, url)),
            File::Content(_) => None,
        });
        links.collect()
    }

    /// The same inputs with files that were fetched for some of them, checked again.
    ///
    /// # Errors
    /// If a file is not what its input needs, or does not go with the other inputs.
    pub fn with_files(
        &self,
        fetched: impl IntoIterator<Item = (&'static str, FileContent)>,
    ) -> Result<Self, InputErrors> {
        let mut values = self.unfetched.as_ref().unwrap_or(&self.values).clone();
        for (name, file) in fetched {
            values.insert(name.to_owned(), file.to_data_url().into());
        }
        Self::from_values_of_any_length(&values)
    }

    /// The prompt as the caller wrote it.
    pub fn prompt(&self) -> &str {
        &self.plan.prompt
    }

    /// The number of drawings.
    pub fn outputs(&self) -> usize {
        self.plan.outputs
    }

    /// The seed of a drawing, counted from 0.
    pub fn seed_of(&self, output: usize) -> u64 {
        self.plan.spec.seed + output as u64
    }

    /// The plan of the first drawing. That of another one differs in its seed only ([`Self::seed_of`]).
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
            strokes: spec.all_strokes() + self.unknown_strokes(),
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

    /// The maximum number of strokes in files that have yet to be fetched.
    fn unknown_strokes(&self) -> usize {
        let links = self.links().into_iter();
        links.filter(|(name, _)| *name != IMAGE_PROMPT).count() * MAX_STROKES
    }

    /// An estimated upper bound of the size of one file in bytes.
    pub fn estimated_file_bytes(&self) -> u64 {
        self.plan.output_format.estimate_bytes(&SizeFactors {
            strokes: self.plan.spec.all_strokes() + self.unknown_strokes(),
            canvas: &self.plan.spec.canvas,
            prompt_bytes: self.plan.prompt.len(),
        })
    }

    /// A frame of the first or only drawing that these inputs describe, ready to be written.
    pub fn document<'a>(&'a self, frame: &'a Frame, provenance: &'a Provenance) -> Document<'a> {
        self.document_of(0, frame, provenance)
    }

    /// A frame of one of the drawings, counted from 0. The file is the same as that of this drawing alone.
    pub fn document_of<'a>(
        &'a self,
        output: usize,
        frame: &'a Frame,
        provenance: &'a Provenance,
    ) -> Document<'a> {
        Document {
            frame,
            canvas: &self.plan.spec.canvas,
            prompt: &self.plan.prompt,
            inputs: &self.described[output],
            provenance,
            is_clean: self.plan.clean && frame.step == self.plan.spec.steps,
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
        let mut given = given(raw);
        inherit(&mut given);
        add_seed(&mut given);
        let values = with_defaults(&given);
        let before = errors.len();
        let inputs = Inputs::read(&values, &mut errors);
        let prompt_is_wrong = errors.iter().any(|error| error.field == PROMPT);
        let prompt = values
            .get(PROMPT)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !prompt_is_wrong && let Ok(parts) = parse_prompts(prompt) {
            if parts.is_empty() && !given.contains_key(IMAGE_PROMPT) {
                let rule = format!("it must not be empty without {IMAGE_PROMPT}");
                let value = values.get(PROMPT).unwrap_or(&Value::Null);
                errors.insert(before, broken_rule(PROMPT, value, rule));
            }
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
        let values = without_fractions(values);
        let files: Vec<_> = files(&values).collect();
        let is_unfetched = files.iter().any(|(_, file)| matches!(file, File::Link(_)));
        Ok(Self {
            unfetched: is_unfetched.then_some(given),
            described: described(&values, &files, &inputs),
            values,
            plan: inputs.into_plan(),
        })
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.unfetched.as_ref().unwrap_or(&self.values);
        values.serialize(serializer)
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

/// The values that are given for inputs. Beside a drawing that is continued, `null` turns off an input that has no default.
fn given(raw: &Map<String, Value>) -> Map<String, Value> {
    let is_continued = raw.get(INIT_SVG).is_some_and(|file| !file.is_null());
    let given = FIELDS.iter().filter_map(|field| {
        let value = raw.get(field.name)?;
        let is_value = !value.is_null() || (is_continued && field.kind.can_be_off());
        is_value.then(|| (field.name.to_owned(), value.clone()))
    });
    given.collect()
}

/// Adds a random number for each input that is random by default.
fn add_seed(given: &mut Map<String, Value>) {
    let random = FIELDS
        .iter()
        .filter(|field| matches!(field.kind, Kind::Integer { default: None, .. }));
    for field in random {
        given
            .entry(field.name)
            .or_insert_with(|| rand::random_range(0..RANDOM_SEEDS).into());
    }
}

/// The default of an input that depends on the others: a picture needs no text, and only a circle needs a radius.
fn default_beside(given: &Map<String, Value>, name: &str) -> Option<Value> {
    let is_circle = |shape: &Value| shape == "circle";
    match name {
        PROMPT if given.contains_key(IMAGE_PROMPT) => Some("".into()),
        THRESHOLD
            if given.contains_key(REGION_MASK)
                || given
                    .get(REGION_SHAPE)
                    .is_some_and(|shape| !is_circle(shape)) =>
        {
            Some(0.0.into())
        }
        _ => None,
    }
}

fn with_defaults(given: &Map<String, Value>) -> Map<String, Value> {
    let values = FIELDS.iter().filter_map(|field| {
        let value = given.get(field.name).cloned();
        let value = value.or_else(|| default_beside(given, field.name));
        let value = value.or_else(|| field.kind.default_value());
        Some((field.name.to_owned(), value?))
    });
    values.collect()
}

/// The files among checked values, with the names of their inputs.
fn files(values: &Map<String, Value>) -> impl Iterator<Item = (&'static str, File)> {
    let fields = FIELDS
        .iter()
        .filter(|field| matches!(field.kind, Kind::File { .. }));
    fields.filter_map(|field| {
        let text = values.get(field.name)?.as_str()?;
        Some((field.name, text.parse().ok()?))
    })
}

/// For each drawing the checked values with which it is drawn alone, and a description in the place of each file.
fn described(
    values: &Map<String, Value>,
    files: &[(&'static str, File)],
    inputs: &Inputs,
) -> Vec<Map<String, Value>> {
    let mut described = values.clone();
    for (name, file) in files {
        let description = match file {
            File::Content(content) => content.description(),
            File::Link(_) => file.shown().into(),
        };
        described.insert((*name).to_owned(), description);
    }
    let drawings = (0..inputs.num_outputs as u64).map(|output| {
        let mut own = described.clone();
        own.insert(SEED.to_owned(), (inputs.seed + output).into());
        own.insert(NUM_OUTPUTS.to_owned(), 1.into());
        own
    });
    drawings.collect()
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
    use crate::draw::Ink;
    use crate::draw::objective::{Extent, PaletteSpec, Region};
    use crate::inputs::MAX_SEED;
    use crate::scene::{Canvas, Rgb};

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
                "prompt: \"  \" is not allowed; it must not be empty without image_prompt",
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
                json!({"zzz": "a"}),
                "zzz: there is no such input; allowed are prompt, ",
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
    fn the_list_of_all_inputs_is_left_out_where_one_was_probably_meant() {
        let errors = errors_of(&json!({"promt": "a"}));
        assert_eq!(
            errors[0].to_string(),
            "promt: there is no such input; did you mean `prompt`?"
        );
    }

    #[test]
    fn the_shape_of_the_region_is_a_circle_unless_another_is_chosen() {
        let region = |raw: Value| {
            let input = Input::from_values(raw.as_object().unwrap()).unwrap();
            input.plan.spec.objective.region
        };
        assert_eq!(
            region(json!({"region_width": 7, "region_rotation": 30})),
            Region::Circle
        );
        let expected = Region::Rectangle(Extent {
            size: [150.0, 60.0],
            rotation: -30.0,
        });
        let raw = json!({"region_shape": "rectangle", "region_height": 60, "region_rotation": -30});
        assert_eq!(region(raw), expected);
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
    fn a_wrong_region_is_named_with_what_is_allowed() {
        for (raw, expected) in [
            (
                json!({"region_shape": "square"}),
                "must be one of circle, ellipse, rectangle, frame",
            ),
            (
                json!({"region_width": 0}),
                "region_width: 0 is not allowed; it must be a number from 1 to 10000",
            ),
        ] {
            let error = errors_of(&raw).remove(0).to_string();
            assert!(error.contains(expected), "{raw}: {error}");
        }
    }

    /// A data URL with a picture.
    fn svg_url(svg: &str) -> String {
        let encoded = url::form_urlencoded::byte_serialize(svg.as_bytes()).collect::<String>();
        format!("data:image/svg+xml,{}", encoded.replace('+', "%20"))
    }

    #[test]
    fn a_white_area_becomes_the_region_and_a_picture_without_one_is_refused() {
        let picture = |color: &str| {
            svg_url(&format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="4" height="8" fill="{color}"/></svg>"#
            ))
        };
        let Region::Mask(_) = spec_of(json!({"region_mask": picture("white")}))
            .objective
            .region
        else {
            panic!("there is a mask");
        };
        let address = json!({"region_mask": "https://a.test/mask.png"});
        assert_eq!(spec_of(address).objective.region, Region::Circle);
        for (raw, expected) in [
            (
                json!({"region_mask": picture("navy")}),
                "it has no white area in which strokes may be",
            ),
            (
                json!({"region_mask": picture("white"), "region_shape": "frame"}),
                "region_shape: \"frame\" is not allowed; it cannot be combined with region_mask",
            ),
            (
                json!({"region_mask": "data:,hello"}),
                "it is not a PNG, JPEG",
            ),
        ] {
            let error = errors_of(&raw).remove(0).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn spec_of(raw: Value) -> Spec {
        let Value::Object(raw) = raw else {
            panic!("inputs are an object");
        };
        Input::from_values(&raw).unwrap().plan.spec
    }

    #[test]
    fn inputs_without_a_value_are_absent_and_fix_nothing() {
        let input = Input::from_values(&Map::new()).unwrap();
        for name in ["stroke_color", "stroke_width", "palette"] {
            assert!(!input.values.contains_key(name), "{name}");
        }
        assert_eq!(input.plan.spec.ink, Ink::default());
        assert_eq!(input.plan.spec.objective.palette, None);
        assert!(!input.plan.spec.canvas.is_transparent && !input.plan.clean);
    }

    #[test]
    fn ink_colour_and_width_fix_what_they_name() {
        let black = Ink {
            color: Some(Rgb::BLACK),
            opacity: Some(1.0),
            width: Some(3.0),
        };
        let red = "#f00".parse().unwrap();
        for (raw, expected) in [
            (json!({"ink": "black"}), black),
            (
                json!({"ink": "black", "stroke_color": "#f00", "stroke_width": 5}),
                Ink {
                    color: Some(red),
                    width: Some(5.0),
                    ..black
                },
            ),
            (
                json!({"ink": "opaque"}),
                Ink {
                    opacity: Some(1.0),
                    ..Ink::default()
                },
            ),
            (
                json!({"stroke_width": 0.5}),
                Ink {
                    width: Some(0.5),
                    ..Ink::default()
                },
            ),
        ] {
            assert_eq!(spec_of(raw.clone()).ink, expected, "{raw}");
        }
    }

    #[test]
    fn a_palette_is_given_or_found() {
        let palette = |raw: Value| spec_of(raw).objective.palette;
        let given = ["#ff0000", "#0000ff"].map(|color| color.parse().unwrap());
        let given = Some(PaletteSpec::Given(given.to_vec()));
        assert_eq!(palette(json!({"palette": "#f00, #00F #ff0000"})), given);
        assert_eq!(
            palette(json!({"palette": "#f00,#00f", "max_colors": 3})),
            given
        );
        assert_eq!(
            palette(json!({"max_colors": 8})),
            Some(PaletteSpec::Found(7))
        );
        let raw = json!({"max_colors": 8, "background": "none"});
        assert_eq!(palette(raw), Some(PaletteSpec::Found(8)));
        assert_eq!(palette(json!({"max_colors": 8, "ink": "black"})), None);
    }

    #[test]
    fn without_a_background_the_paper_is_white_while_drawing() {
        let canvas = spec_of(json!({"background": "none"})).canvas;
        assert_eq!(
            (canvas.background, canvas.is_transparent),
            (Rgb::WHITE, true)
        );
    }

    #[test]
    fn wrong_colours_and_combinations_are_explained() {
        let many: Vec<String> = (100..133).map(|number| format!("#{number}")).collect();
        for (raw, expected) in [
            (
                json!({"palette": "#f00,,#00f"}),
                "palette: \"#f00,,#00f\" is not allowed; it must be 1 to 32 colours of the form #rrggbb or #rgb, separated \
                 by commas; entry 2 of 3 is empty",
            ),
            (json!({"palette": "#f00, "}), "entry 2 of 2 is empty"),
            (
                json!({"palette": "#f00 #0f0,blue"}),
                "entry 3 of 3 is not a colour",
            ),
            (
                json!({"palette": "#f00 blue"}),
                "palette: \"#f00 blue\" is not allowed; it must be 1 to 32 colours of the form #rrggbb or #rgb, separated",
            ),
            (
                json!({"palette": many.join(",")}),
                "it has 33 colours; at most 32 are allowed",
            ),
            (
                json!({"palette": "#f00,#0f0", "ink": "black"}),
                "palette: \"#ff0000,#00ff00\" is not allowed; it cannot be combined with ink=black",
            ),
            (
                json!({"palette": "#f00", "stroke_color": "#0f0"}),
                "it cannot be combined with stroke_color",
            ),
            (
                json!({"palette": "#f00,#0f0", "max_colors": 2}),
                "max_colors: 2 is not allowed; palette and background have 3 colours",
            ),
            (json!({"max_colors": 1}), "it must be at least 2"),
            (json!({"max_colors": 256}), "a whole number from 0 to 255"),
            (json!({"stroke_width": 0}), "a number from 0.1 to 400"),
            (
                json!({"ink": "blue"}),
                "must be one of color, opaque, black",
            ),
            (
                json!({"background": "nothing"}),
                "it must be a colour of the form #rrggbb or #rgb, or none",
            ),
        ] {
            let error = errors_of(&raw).remove(0).to_string();
            assert!(error.contains(expected), "{raw}: {error}");
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
    fn only_a_circle_has_a_radius_by_default() {
        let threshold = |raw: Value| {
            let input = Input::from_values(raw.as_object().unwrap()).unwrap();
            input.plan.spec.objective.center.threshold
        };
        let (circle, frame) = (json!({"region_shape": "circle"}), "frame");
        assert_eq!([threshold(json!({})), threshold(circle)], [75.0; 2]);
        assert!(threshold(json!({"region_shape": frame})).abs() < f64::EPSILON);
        let margin = json!({"region_shape": frame, "distance_from_centre_threshold": 5});
        assert!((threshold(margin) - 5.0).abs() < f64::EPSILON);
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
        let absent = FIELDS
            .iter()
            .filter(|field| field.kind.default_value().is_none() && !field.kind.is_random());
        assert_eq!(input.values.len() + absent.count(), FIELDS.len());
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
                let is_valid = FIELDS.iter().all(|field| {
                    let value = input.values.get(field.name);
                    value.is_none_or(|value| field.kind.violations(value).is_empty())
                });
                prop_assert!(is_valid);
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
