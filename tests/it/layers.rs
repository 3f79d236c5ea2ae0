//! Nobody leans upward: the floors that the head of src/lib.rs draws are the floors that the code keeps.

use std::collections::BTreeMap;

use crate::tree::{read, rust_files};

/// On these floors a room may lean on those to the right of it in its row. On the others, neighbours do not know each other.
const LEANING_SIDEWAYS: [usize; 3] = [0, 1, 6];

/// Where a room lies: its floor, and its place in the floor's row.
type Plan = BTreeMap<String, (usize, usize)>;

/// Reads rows like `//!  2  sources/*  sinks/*`.
fn plan_of_the_house(lib: &str) -> Plan {
    let rows = lib.lines().filter_map(|line| {
        let mut words = line.strip_prefix("//!")?.split_whitespace();
        let floor = words.next()?.parse::<usize>().ok()?;
        Some((floor, words))
    });
    rows.flat_map(|(floor, words)| {
        words.enumerate().map(move |(place, room)| (room.trim_end_matches("/*").to_owned(), (floor, place)))
    })
    .collect()
}

/// `src/sinks/slack.rs` lies in the room `sinks`, `src/app.rs` in `app`.
fn room_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").expect("a file of src");
    inside.split('/').next().expect("split gives one").trim_end_matches(".rs")
}

/// Every room that a line of code reaches by `crate::`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let before = code.as_bytes().get(at.wrapping_sub(1)).copied();
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let rest = code.get(at + found.len()..).unwrap_or_default();
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(first_words(group)),
            None => rooms.extend(word(rest)),
        }
    }
    rooms
}

/// The first words of `a, b::{C, D}, e::F};`: what the group's own members start with.
fn first_words(group: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut depth, mut starts) = (0_usize, true);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => starts = true,
            _ if byte.is_ascii_whitespace() => {}
            _ if depth == 0 && starts => {
                words.extend(group.get(at..).and_then(word));
                starts = false;
            }
            _ => {}
        }
    }
    words
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The code of a file without its comments, so that what a sentence names does not count.
fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every `super::super::word` of the code, as how far it climbs and to what.
fn climbs(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let paths = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    paths.filter_map(|path| {
        let steps = path.split("::").take_while(|part| *part == "super").count();
        Some((steps, path.split("::").nth(steps).filter(|_| steps > 0)?))
    })
}

/// How many `super` lead from the file out of the house.
fn depth_of(file: &str) -> usize {
    file.trim_end_matches("/mod.rs").split('/').count() - 1
}

fn may_lean(plan: &Plan, from: &str, on: &str) -> bool {
    let (Some(from_at), Some(on_at)) = (plan.get(from), plan.get(on)) else { return false };
    from == on
        || on_at.0 < from_at.0
        || (on_at.0 == from_at.0 && LEANING_SIDEWAYS.contains(&on_at.0) && on_at.1 > from_at.1)
}

#[test]
fn nobody_leans_upward() {
    let plan = plan_of_the_house(&read("src/lib.rs"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in rust_files("src") {
        // Those two are the roof: they name everybody.
        if ["src/lib.rs", "src/main.rs"].contains(&file.as_str()) {
            continue;
        }
        let from = room_of(&file);
        if !plan.contains_key(from) {
            wrong.push(format!("{file}: `{from}` has no floor in the head of src/lib.rs"));
            continue;
        }
        let code = without_comments(&read(&file));
        for on in rooms_named(&code) {
            seen += 1;
            if !may_lean(&plan, from, &on) {
                let floor = |room: &str| plan.get(room).map_or("no floor".to_owned(), |at| format!("floor {}", at.0));
                wrong.push(format!("{file} ({}) leans on crate::{on} ({})", floor(from), floor(&on)));
            }
        }
        let out = climbs(&code).filter(|(steps, to)| *steps >= depth_of(&file) && plan.contains_key(*to));
        wrong.extend(
            out.map(|(_, to)| format!("{file} climbs to {to} by super::, where no floor is kept: say crate::{to}")),
        );
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "the house leans:\n{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} uses seen: does the test still read what it should?");
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let lib = read("src/lib.rs");
    let plan = plan_of_the_house(&lib);
    let mut rooms: Vec<&str> = lib
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("pub(crate) mod "))?.strip_suffix(';')
        })
        .collect();
    rooms.push("main");
    rooms.sort_unstable();
    let drawn: Vec<&str> = plan.keys().map(String::as_str).collect();
    assert_eq!(drawn, rooms, "the floors in the head of src/lib.rs and its modules are not the same");
    let floors: std::collections::BTreeSet<usize> = plan.values().map(|at| at.0).collect();
    assert_eq!(floors.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_leaning_line_is_seen_however_it_is_written() {
    assert_eq!(rooms_named("use crate::app::App;"), ["app"]);
    assert_eq!(
        rooms_named("use crate::{\n    event::{Body, Event},\n    app,\n    stop::Stop,\n};"),
        ["event", "app", "stop"]
    );
    assert_eq!(rooms_named("let x = crate::queue::open(crate::event::path(a));"), ["queue", "event"]);
    assert_eq!(rooms_named("pub(crate) fn of(my_crate::x: u8)"), [] as [&str; 0]);
    let climbed: Vec<_> = climbs("use super::super::x::Z; use super::y; use std::fs;").collect();
    assert_eq!(climbed, [(2, "x"), (1, "y")]);
    assert_eq!([depth_of("src/app.rs"), depth_of("src/queue/mod.rs"), depth_of("src/sinks/slack.rs")], [1, 1, 2]);

    let plan = plan_of_the_house("//!  2  sources/*  sinks/*\n//!  1  queue  outbound  said\n//!  0  event  fault\n");
    assert!(may_lean(&plan, "sinks", "outbound"));
    assert!(may_lean(&plan, "outbound", "said"), "to the right, on the ground");
    assert!(!may_lean(&plan, "said", "outbound"), "to the left");
    assert!(!may_lean(&plan, "sources", "sinks"), "sideways, higher up");
    assert!(!may_lean(&plan, "event", "queue"), "upward");
    assert!(!may_lean(&plan, "queue", "nowhere"));
}
