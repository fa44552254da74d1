//! Contrast of the tokens, in both sets (WCAG 2.2, 1.4.3 and 1.4.11).

use std::collections::BTreeMap;

const TOKENS: &str = include_str!("../../styles/tokens.css");

/// Text and what it stands on.
const TEXT: &[(&str, &str)] = &[
    ("text", "ground"),
    ("text", "surface"),
    ("text", "sunken"),
    ("muted", "ground"),
    ("muted", "surface"),
    ("muted", "sunken"),
    ("accent", "surface"),
    ("accent-hover", "surface"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-accent", "accent-press"),
    ("danger", "surface"),
    ("text", "danger-soft"),
    ("text", "care-soft"),
    ("care", "care-soft"),
    ("text", "done-soft"),
];

/// The outline of a control or an icon, and what it stands on.
const OUTLINES: &[(&str, &str)] = &[
    ("edge", "surface"),
    ("accent", "ground"),
    ("danger", "danger-soft"),
    ("done", "done-soft"),
    ("accent", "accent-soft"),
];

#[test]
fn text_and_outlines_stand_out_in_light_and_dark() {
    let (light, dark) = TOKENS.split_once("prefers-color-scheme: dark").unwrap();
    for (theme, css) in [("light", light), ("dark", dark)] {
        let colours = colours(css);
        for (pairs, least) in [(TEXT, 4.5), (OUTLINES, 3.0)] {
            for (above, below) in pairs {
                let contrast = contrast(colours[*above], colours[*below]);
                assert!(contrast >= least, "{theme}: {above} on {below} has {contrast:.2}, needs {least}");
            }
        }
    }
}

fn colours(css: &str) -> BTreeMap<&str, [u8; 3]> {
    css.lines()
        .filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"))
        .map(|(name, value)| {
            let digits = value.trim_end_matches(';');
            let wide = if digits.len() == 3 {
                digits.chars().flat_map(|digit| [digit; 2]).collect()
            } else {
                digits.to_owned()
            };
            let part = |from: usize| u8::from_str_radix(&wide[from..from + 2], 16).unwrap();
            (name, [part(0), part(2), part(4)])
        })
        .collect()
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    if one > other { one / other } else { other / one }
}

fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
