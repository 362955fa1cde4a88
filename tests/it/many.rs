//! Several drawings of one prediction, many prompts, and prompts that end early.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::{Drawing, Spec, Step, WeightedPrompt};
use clipdraw::inputs::Input;
use clipdraw::service::{CancelPolicy, Destination, Event, Origin, RestartPolicy, Submission};
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::support::command::run;
use crate::support::fake_engine::{limits, ready_service};

const SMALL: [&str; 8] = [
    "predict",
    "-q",
    "-i",
    "num_iterations=4",
    "-i",
    "num_paths=8",
    "-i",
    "display_frequency=2",
];

/// Runs the command in a folder. Returns whether it succeeded, and what it reported.
fn predict(arguments: &[&str], folder: &Path) -> (bool, String) {
    let (output, errors) = run(&[&SMALL, arguments].concat(), folder);
    (output.status.success(), errors)
}

/// The names of all files below a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            names.extend(
                self::names(&path)
                    .iter()
                    .map(|inner| format!("{name}/{inner}")),
            );
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

#[test]
fn each_of_several_drawings_is_that_of_its_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let together = [
        "-i",
        "prompt=a fox",
        "-i",
        "seed=7",
        "-i",
        "num_outputs=3",
        "-i",
        "animation=svg",
        "-o",
        "fox.svg",
        "--sheet",
        "sheet.png",
        "--frames",
        "frames",
    ];
    let (success, errors) = predict(&together, path);
    assert!(success, "{errors}");
    let mut expected: Vec<String> = vec!["sheet.png".to_owned()];
    for number in 1..=3 {
        expected.push(format!("fox-{number}.svg"));
        expected.push(format!("fox-{number}-animation.svg"));
        for frame in 0..3 {
            expected.push(format!("frames/{number}/frame-0000{frame}.svg"));
        }
    }
    expected.sort();
    assert_eq!(names(path), expected);
    for number in 1..=3 {
        let seed = format!("seed={}", 6 + number);
        let alone = [
            "-i",
            "prompt=a fox",
            "-i",
            &seed,
            "-i",
            "animation=svg",
            "-o",
            "alone.svg",
        ];
        let (success, errors) = predict(&alone, path);
        assert!(success, "{errors}");
        for file in ["", "-animation"] {
            let read = |name: String| std::fs::read_to_string(path.join(name)).unwrap();
            let together = read(format!("fox-{number}{file}.svg"));
            let alone = read(format!("alone{file}.svg"));
            assert!(together == alone, "{number}{file}");
        }
    }
    let sheet = std::fs::read(path.join("sheet.png")).unwrap();
    let sheet = tiny_skia::Pixmap::decode_png(&sheet).unwrap();
    let side = |count: u32| count * (224 + 8) + 8;
    assert_eq!((sheet.width(), sheet.height()), (side(2), side(2)));
}

#[test]
fn many_prompts_are_drawn_with_one_model_and_named_by_number_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let prompts = "# animals\na red fox | text:-0.3\n\nan owl\n";
    std::fs::write(path.join("prompts.txt"), prompts).unwrap();
    let arguments = [
        "--prompts",
        "prompts.txt",
        "-o",
        "a.svg",
        "--sheet",
        "sheet.png",
        "-i",
        "num_outputs=2",
    ];
    let (success, errors) = predict(&arguments, path);
    assert!(success, "{errors}");
    let expected = [
        "a-01-a-red-fox-text-0-3-1.svg",
        "a-01-a-red-fox-text-0-3-2.svg",
        "a-02-an-owl-1.svg",
        "a-02-an-owl-2.svg",
        "prompts.txt",
        "sheet.png",
    ];
    assert_eq!(names(path), expected);
    let owl = std::fs::read_to_string(path.join("a-02-an-owl-1.svg")).unwrap();
    assert!(owl.contains("<title>an owl</title>"));
    for (arguments, expected) in [
        (
            &["--prompts", "prompts.txt", "-o", "-"][..],
            "one drawing only",
        ),
        (&["--prompts", "none.txt"], "none.txt: cannot be read"),
        (&["--sheet", "a.svg"], "the extension must be .png"),
        (
            &["--prompts", "-", "--json", "-"],
            "cannot both be standard input",
        ),
        (
            &["--prompts", "prompts.txt", "-i", "prompt=a"],
            "leave out the input prompt",
        ),
    ] {
        let (success, errors) = predict(arguments, path);
        assert!(
            !success && errors.contains(expected),
            "{arguments:?}: {errors}"
        );
    }
}

fn input(values: &Value) -> Input {
    let all = json!({
        "prompt": "a cat", "seed": 7, "num_paths": 2, "num_iterations": 3, "display_frequency": 2,
    });
    let mut all = all.as_object().unwrap().clone();
    all.extend(values.as_object().unwrap().clone());
    Input::from_values(&all).unwrap()
}

fn submission(values: &Value) -> Submission {
    Submission {
        id: None,
        input: input(values),
        notes: Vec::new(),
        destination: Destination::Inline,
        cancel_policy: CancelPolicy::OnRequest,
        restart_policy: RestartPolicy::Cancel,
        receiver: None,
        origin: Origin::default(),
    }
}

/// The inputs in the metadata of a file that is a data URL, and the step that it shows; nothing for an animation.
fn metadata(file: &str) -> Option<(Value, u64)> {
    let base64 = file.strip_prefix("data:image/svg+xml;base64,")?;
    let svg = String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    if document
        .descendants()
        .any(|node| node.has_tag_name("animate"))
    {
        return None;
    }
    let metadata = document
        .descendants()
        .find(|node| node.has_tag_name("metadata"))
        .and_then(|node| node.text())?;
    let mut metadata: Value = serde_json::from_str(metadata).unwrap();
    let step = metadata["step"].as_u64().unwrap();
    Some((metadata["input"].take(), step))
}

#[tokio::test]
async fn frames_come_step_by_step_and_the_finished_drawings_are_the_last_files() {
    for together in ["a cat", "panic together"] {
        for animation in ["none", "gif"] {
            let (service, _) = ready_service(limits(2, 2)).await;
            let values = json!({"prompt": together, "num_outputs": 3, "animation": animation});
            let prediction = service.submit(submission(&values)).await.unwrap();
            let end = prediction.finished().await;
            assert_eq!(end.error, None);
            let shown: Vec<_> = end
                .output
                .iter()
                .map(|file| {
                    let (input, step) = metadata(file)?;
                    assert_eq!(input["num_outputs"], 1);
                    Some((step, input["seed"].as_u64().unwrap()))
                })
                .collect();
            let frames = |step| [7, 8, 9].map(|seed| Some((step, seed)));
            let animations = vec![None; if animation == "gif" { 3 } else { 0 }];
            let expected = [&frames(0)[..], &frames(2), &animations, &frames(3)].concat();
            assert_eq!(shown, expected);
            let lines: Vec<_> = end.logs.lines().collect();
            assert!(lines[0].contains("seeds 7 to 9"), "{}", lines[0]);
            assert!(
                lines[2].starts_with("drawing 2/3  step 0/3"),
                "{}",
                lines[2]
            );
            assert_eq!(
                (&end.metrics["seed"], &end.metrics["drawing"]),
                (&json!(7), &json!(3))
            );
            let first = prediction.first_event(None).unwrap();
            let numbers: Vec<_> = (first..)
                .map_while(|number| prediction.event(number).unwrap())
                .filter_map(|event| match event {
                    Event::Metric { name, value } if name == "drawing" => value.as_u64(),
                    _ => None,
                })
                .collect();
            assert_eq!(numbers, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
        }
    }
}

#[tokio::test]
async fn a_single_drawing_has_no_number_in_its_events() {
    let (service, _) = ready_service(limits(1, 0)).await;
    let prediction = service.submit(submission(&json!({}))).await.unwrap();
    let end = prediction.finished().await;
    assert_eq!(end.metrics.get("drawing"), None);
    assert!(!end.logs.contains("drawing 1/"));
}

#[test]
fn too_many_strokes_views_or_seeds_together_are_an_error_that_names_the_number() {
    for (values, expected) in [
        (json!({"num_outputs": 17}), "a whole number from 1 to 16"),
        (
            json!({"num_outputs": 5, "num_paths": 2048}),
            "it must be at most 4, because all of them together may have 8192 strokes",
        ),
        (
            json!({"num_outputs": 16, "num_augmentations": 32}),
            "it must be at most 8, because num_augmentations of all of them together may be 256",
        ),
        (
            json!({"num_outputs": 3, "seed": 9_007_199_254_740_990_u64}),
            "it must be at most 2, because seeds end at 9007199254740991",
        ),
    ] {
        let error = Input::from_values(values.as_object().unwrap()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("num_outputs: ") && error.contains(expected),
            "{error}"
        );
    }
}

fn stopping(prompts: &[(&str, f32, f32)]) -> Spec {
    let prompts = prompts.iter().map(|(text, weight, stop)| WeightedPrompt {
        text: (*text).to_owned(),
        weight: *weight,
        stop: *stop,
    });
    Spec {
        prompts: prompts.collect(),
        strokes: 12,
        steps: 10,
        steps_per_frame: 5,
        seed: 3,
        ..Spec::default()
    }
}

/// The report of every step.
fn steps(clip: &Clip, spec: Spec) -> Vec<Step> {
    let mut drawing = Drawing::start(clip, spec).unwrap();
    let mut steps = Vec::new();
    while !steps.last().is_some_and(Step::is_finished) {
        steps.push(drawing.step(clip).unwrap());
    }
    steps
}

#[test]
fn a_prompt_with_a_stop_acts_until_then_and_is_still_reported() {
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap();
    let both = steps(
        &clip,
        stopping(&[("a fox", 1.0, 1.0), ("a house", 0.7, 1.0)]),
    );
    let stopped = steps(
        &clip,
        stopping(&[("a fox", 1.0, 1.0), ("a house", 0.7, 0.3)]),
    );
    for (step, (both, stopped)) in both.iter().zip(&stopped).enumerate() {
        let parts: Vec<_> = stopped.losses().prompts().collect();
        assert_eq!(parts.len(), 2);
        let ended = step >= 3;
        assert_eq!([parts[0].has_ended, parts[1].has_ended], [false, ended]);
        let value = stopped.losses().value("clip").unwrap();
        let expected = parts[0].loss + if ended { 0.0 } else { parts[1].loss };
        assert!((value - expected).abs() < 1e-9);
        assert!(parts[1].loss != 0.0);
        // The strokes are the same up to the step at which it ends, whose gradient is another one.
        let is_same = both.losses().value("clip") == stopped.losses().value("clip");
        assert_eq!(is_same, step < 3, "step {step}");
    }
    let shown = json!(stopped[5].losses());
    assert_eq!(shown["prompts"][1]["ended"], true);
    assert_eq!(shown["prompts"][0].get("ended"), None);
}

#[test]
fn a_prompt_that_never_acts_changes_nothing_and_one_that_ends_leaves_the_strokes_alone() {
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap();
    let mut never = stopping(&[("a fox", 1.0, 1.0), ("a bed", 5.0, 0.0)]);
    never.objective.center.weight = 0.0;
    // The contrast leaves out captions that are close to any prompt, whether it acts or not.
    never.preset = Some(clipdraw::draw::Preset::ORIGINAL);
    let alone = Spec {
        prompts: vec![WeightedPrompt::new("a fox")],
        ..never.clone()
    };
    let strokes = |steps: &[Step], index: usize| steps[index].frame().unwrap().strokes.clone();
    let (never, alone) = (steps(&clip, never), steps(&clip, alone));
    assert!(strokes(&never, 10) == strokes(&alone, 10));
    let mut half = stopping(&[("a fox", 1.0, 0.5)]);
    half.objective.center.weight = 0.0;
    let half = steps(&clip, half);
    assert_eq!(half[7].losses().value("clip"), Some(0.0));
    // Without a gradient, Adam still moves strokes by its momentum, but less and less.
    assert!(strokes(&half, 5) != strokes(&half, 0));
}
