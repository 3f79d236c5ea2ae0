use proptest::prelude::*;

use super::super::relays::refusal;
use super::*;

fn event(body: &str) -> Event {
    tutum(body)
}

#[test]
fn every_kind_of_pattern_holds_and_fails_where_it_should() {
    let event = event(
        r#"{"type":"vm","action":"stop","name":"Prod-Web.01","cpu":71.5,"n":3,"up":true,"no":null,"tags":["a","b"],"vm":{"host":"esx"}}"#,
    );
    for (pattern, expected) in [
        (r#"type = "vm.stop""#, true),
        (r#"type = "vm.*""#, true),
        (r#"type = "*.stop""#, true),
        (r#"type = "v*.s*p""#, true),
        (r#"type = "vm""#, false),
        (r#"type = ["x", "vm.s*"]"#, true),
        (r#"source = "prod", kind = "tutum", id = "e1", subject = """#, true),
        (r#""data.name" = "prod-web.01""#, false),
        (r#""data.name" = { prefix = "Prod-" }"#, true),
        (r#""data.name" = { prefix = "prod-" }"#, false),
        (r#""data.name" = { prefix = "prod-", ignore_case = true }"#, true),
        (r#""data.name" = { prefix = "Prod", suffix = ".01", regex = "^[A-Z]" }"#, true),
        (r#""data.name" = { prefix = "Prod", suffix = ".02" }"#, false),
        (r#""data.name" = { regex = "web" }"#, false),
        (r#""data.name" = { regex = "web", ignore_case = true }"#, true),
        (r#""data.name" = { not = "prod-*", ignore_case = true }"#, false),
        (r#""data.name" = { not = "prod-*" }"#, true),
        (r#""data.name" = { not = ["x", "Prod*"] }"#, false),
        (r#""data.cpu" = { gt = 70, le = 71.5 }"#, true),
        (r#""data.cpu" = { lt = 71.5 }"#, false),
        (r#""data.cpu" = [{ lt = 10 }, { ge = 71 }]"#, true),
        (r#""data.n" = 3"#, true),
        (r#""data.n" = 3.0"#, true),
        (r#""data.n" = "3""#, false),
        (r#""data.n" = "*""#, false),
        (r#""data.name" = { gt = 0 }"#, false),
        (r#""data.up" = true"#, true),
        (r#""data.up" = "true""#, false),
        (r#""data.no" = { exists = true }"#, true),
        (r#""data.no" = { not = "x" }"#, true),
        (r#""data.tags[]" = "b""#, true),
        (r#""data.tags[]" = "c""#, false),
        (r#""data.tags[]" = { not = "b" }"#, false),
        (r#""data.tags[]" = { not = "c" }"#, true),
        (r#""data.tags[]" = { not = "c", prefix = "a" }"#, true),
        (r#""data.tags[]" = { prefix = "a", suffix = "b" }"#, false),
        (r#""data.tags" = "a""#, false),
        (r#""data.vm.host" = "esx""#, true),
        (r#"data.vm.host = "esx""#, true),
        (r#""data.vm" = { exists = true }"#, true),
        (r#""data.vm" = { not = "x" }"#, true),
        ("data = { exists = true }", true),
    ] {
        assert_eq!(takes(&format!("match = {{ {pattern} }}"), &event), expected, "{pattern}");
    }
}

#[test]
fn a_type_is_taken_in_both_spellings_of_its_acronyms() {
    let crashed = Event { r#type: "vm.guest.os.crashed".into(), ..event("{}") };
    for (pattern, expected) in [
        (r#""vm.guest.os.crashed""#, true),
        (r#""vm.guest.o.s.crashed""#, true),
        (r#"["x", "vm.guest.o.s.*"]"#, true),
        (r#""*.o.s.crashed""#, true),
        (r#""vm.*.O.S.crashed""#, false),
        (r#"{ prefix = "vm.guest.o.s", suffix = ".crashed" }"#, true),
        (r#"{ prefix = "vm.guest.o.s", suffix = ".gone" }"#, false),
        (r#"{ prefix = "VM.Guest.O.S", ignore_case = true }"#, true),
        (r#"{ not = "vm.guest.o.s.crashed" }"#, false),
        (r#"{ not = ["vm.guest.o.s.*"], prefix = "vm" }"#, false),
        (r#"{ not = "d.v.portgroup.*" }"#, true),
        (r#""vm.guest.o.s""#, false),
    ] {
        assert_eq!(takes(&format!("match = {{ type = {pattern} }}"), &crashed), expected, "{pattern}");
    }
    // Nowhere but in the type.
    let body = event(r#"{"a":"os"}"#);
    assert!(!takes(r#"match = { "data.a" = "o.s" }"#, &body));
}

#[test]
fn a_missing_field_matches_nothing_but_its_absence() {
    let event = event(r#"{"type":"vm","tags":[]}"#);
    for path in ["data.nope", "data.nope.deeper", "data.tags[]", "data.type.deeper"] {
        for pattern in [
            r#""x""#,
            r#""*""#,
            "{ not = \"x\" }",
            "{ lt = 5 }",
            "{ regex = \"\" }",
            "{ exists = true }",
            "{ prefix = \"\" }",
        ] {
            assert!(!takes(&format!("match = {{ \"{path}\" = {pattern} }}"), &event), "{path} {pattern}");
        }
        assert!(takes(&format!("match = {{ \"{path}\" = {{ exists = false }} }}"), &event), "{path}");
        assert!(takes(&format!("match = {{ \"{path}\" = [\"x\", {{ exists = false }}] }}"), &event), "{path}");
    }
    assert!(!takes("match = { \"data.type\" = { exists = false } }", &event));
}

#[test]
fn the_daemons_own_life_is_heard_only_where_it_is_named() {
    let theirs = event("{}");
    let ours = Event::ours("source.lost", "prod", Timestamp::UNIX_EPOCH, &serde_json::json!({}));
    assert!(takes("", &theirs) && !takes("", &ours));
    assert!(!takes("from = 'tidings'", &theirs) && takes("from = 'tidings'", &ours));
    assert!(takes("from = ['prod', 'tidings']", &theirs) && takes("from = ['prod', 'tidings']", &ours));
    assert!(!takes("from = 'stage'", &theirs));
}

#[test]
fn wanted_relays_come_in_the_order_of_the_file() {
    let relay = |n| format!("[[relay]]\nname = \"r{n}\"\nmatch = {{ \"data.n\" = [{}, {}] }}\n", n % 3, n % 5);
    let file = (0..200).map(relay).collect::<Vec<_>>().concat();
    let relays = relays(&file);
    let wanted = relays.plan(&event(r#"{"n":1}"#)).wanted;
    assert!(wanted.len() > 50 && wanted.is_sorted());
    assert_eq!(relays.by_name("r7").map(|relay| &*relay.name), Some("r7"));
    assert!(relays.plan(&event(r#"{"n":9}"#)).wanted.is_empty());
    assert_eq!(Relays::compile(Vec::new()).plan(&event("{}")), Plan::default());
}

#[test]
fn explain_names_the_first_path_that_failed() {
    let relays = relays(
        r#"
[[relay]]
name = "a"
match = { type = "container.*", "data.action" = ["delete", "upd*"] }
[[relay]]
name = "b"
from = "stage"
[[relay]]
name = "c"
match = { "data.parents[]" = { regex = "/x/" } }
[[relay]]
name = "d"
match = { "data.exit_code" = { gt = 0 } }
[[relay]]
name = "e"
when = "data.state == 'Starting'"
[[relay]]
name = "f"
when = "data.state == 'Running'"
[[relay]]
name = "g"
when = "data.state > 3"
[[relay]]
name = "h"
when = "stack.state == 'Running'"
fetch.stack = "{{ data.parents | of_type('stack') }}"
[[relay]]
name = "i"
from = "prod"
"#,
    );
    let event = tutum(CONTAINER);
    let explained = relays.explain(&event);
    let told: Vec<_> = explained.iter().map(|one| format!("{} {} {}", one.relay, one.taken, one.why)).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
a false `data.action` is "create", wanted: "delete" or "upd*"
b false the event is from `prod`, wanted: stage
c false `data.parents[]` are "/api/v1/service/d0b1eb62-7662-4a81-8a10-d5a74b07811e/", "/…, wanted: regex "/x/"
d false `data.exit_code` is missing, wanted: more than 0
e true `when` holds: data.state == 'Starting'
f false `when` does not hold: data.state == 'Running'
g false `when` failed: invalid operation: cannot compare string with number, in: data.state > 3
h true accepted so far; `when` needs fetched data: stack.state == 'Running'
i true from and match accept it
"#);
    let plan = relays.plan(&event);
    assert_eq!(plan.wanted, [4, 7, 8]);
    assert_eq!(plan.faults.iter().map(|(number, fault)| (*number, fault.reason())).collect::<Vec<_>>(), [(6, "when")]);
}

fn a_text() -> BoxedStrategy<String> {
    prop_oneof!["[ab.]{0,4}", "[abAB]{1,2}", Just("é".to_owned()), Just("aé".to_owned())].boxed()
}

fn a_value() -> BoxedStrategy<String> {
    prop_oneof![
        a_text().prop_map(|text| format!("{text:?}")),
        (-3i32..4).prop_map(|number| number.to_string()),
        Just("0.5".to_owned()),
        Just("-0.0".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
    ]
    .boxed()
}

fn a_pattern() -> BoxedStrategy<String> {
    let word = prop_oneof![
        a_text().prop_map(|text| format!("prefix = {text:?}")),
        a_text().prop_map(|text| format!("suffix = {text:?}")),
        "[ab.]{1,3}".prop_map(|text| format!("regex = {text:?}")),
        (-2i32..3, prop_oneof!["lt", "le", "gt", "ge"]).prop_map(|(limit, key)| format!("{key} = {limit}")),
        Just("exists = true".to_owned()),
        a_value().prop_map(|value| format!("not = {value}")),
        (a_value(), a_value()).prop_map(|(one, two)| format!("not = [{one}, {two}]")),
    ]
    .boxed();
    let table = prop_oneof![
        word.clone().prop_map(|word| format!("{{ {word} }}")),
        word.clone().prop_map(|word| format!("{{ {word}, ignore_case = true }}")),
        (word.clone(), word).prop_filter_map("one key twice", |(one, two)| {
            (one.split(' ').next() != two.split(' ').next()).then(|| format!("{{ {one}, {two} }}"))
        }),
        Just("{ exists = false }".to_owned()),
    ]
    .boxed();
    let single = prop_oneof![a_value(), "[ab.*]{0,5}".prop_map(|glob| format!("{glob:?}")), table].boxed();
    prop_oneof![
        3 => single.clone(),
        1 => proptest::collection::vec(single, 1..4).prop_map(|patterns| format!("[{}]", patterns.join(", "))),
    ]
    .boxed()
}

fn a_relay() -> BoxedStrategy<String> {
    let path = prop_oneof![
        Just("type"),
        Just("subject"),
        Just("source"),
        Just("\"data.a\""),
        Just("\"data.b[]\""),
        Just("\"data.c.d\""),
    ];
    let matches = proptest::collection::btree_map(path, a_pattern(), 0..4).prop_map(|matches| {
        matches.iter().map(|(path, pattern)| format!("{path} = {pattern}")).collect::<Vec<_>>().join(", ")
    });
    let from =
        prop_oneof![Just(""), Just("from = 's'\n"), Just("from = ['s', 'tidings']\n"), Just("from = 'tidings'\n"),];
    (matches, from)
        .prop_map(|(matches, from)| format!("[[relay]]\nname = 'r'\n{from}match = {{ {matches} }}\n"))
        .boxed()
}

fn an_event() -> BoxedStrategy<Event> {
    let list = proptest::collection::vec(a_value(), 0..4).prop_map(|values| format!("[{}]", values.join(",")));
    let member = |value: BoxedStrategy<String>| proptest::option::of(value);
    let odd = prop_oneof![a_value(), Just("null".to_owned()), Just("{}".to_owned()), Just("[1]".to_owned())];
    let body =
        (member(odd.boxed()), member(list.boxed()), member(a_value().prop_map(|d| format!("{{\"d\":{d}}}")).boxed()))
            .prop_map(|(a, b, c)| {
                let members = [("a", a), ("b", b), ("c", c)];
                let members =
                    members.into_iter().filter_map(|(key, value)| value.map(|value| format!("\"{key}\":{value}")));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            });
    (a_text(), a_text(), prop_oneof!["s", "t", "tidings"], body)
        .prop_map(|(r#type, subject, source, body)| Event {
            id: EventId::Given("1".into()),
            source: source.into(),
            kind: "k".into(),
            r#type: r#type.into(),
            time: Timestamp::UNIX_EPOCH,
            subject: subject.into(),
            data: Body::parse(body).expect("JSON"),
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_index_answers_as_the_plain_way_does(
        file in proptest::collection::vec(a_relay(), 0..90),
        events in proptest::collection::vec(an_event(), 1..20),
    ) {
        let relays = relays(&file.concat());
        prop_assert_eq!(relays.len(), file.len());
        for event in events {
            let plain: Vec<_> = (0..relays.len()).filter(|number| refusal(relays.get(*number), &event).is_none()).collect();
            prop_assert_eq!(relays.plan(&event).wanted, plain, "{:?}", event);
        }
    }
}
