use super::*;

fn of(line: &str) -> String {
    problems(&format!("[[relay]]\nname = \"one\"\n{line}\n"))
}

#[test]
fn two_ampersands_are_no_and() {
    insta::assert_snapshot!(of(r#"when = 'event.type == "container" && event.kind == "nope"'"#), @r#"
error: `&&` is not an operator here
 --> relays.toml:3:35
  |
3 | when = 'event.type == "container" && event.kind == "nope"'
  |                                   ^^
  |
  = help: write `and`
"#);
    insta::assert_snapshot!(of(r#"when = 'data.type == "container" @ junk ( ('"#), @r#"
error: `@` is not allowed in a condition
 --> relays.toml:3:34
  |
3 | when = 'data.type == "container" @ junk ( ('
  |                                  ^
"#);
}

#[test]
fn unknown_names_are_shown_where_they_stand() {
    insta::assert_snapshot!(of("when = 'type == container and data.type == dta.x'"), @r#"
error: unknown name `type`
 --> relays.toml:3:9
  |
3 | when = 'type == container and data.type == dta.x'
  |         ^^^^
  |
  = help: did you mean `event.type`? If you meant text, write "type"

error: unknown name `container`
 --> relays.toml:3:17
  |
3 | when = 'type == container and data.type == dta.x'
  |                 ^^^^^^^^^
  |
  = help: known here: event, data, relay; a field of the body is `data.container`; if you meant text, write "container"

error: unknown name `dta`
 --> relays.toml:3:44
  |
3 | when = 'type == container and data.type == dta.x'
  |                                            ^^^
  |
  = help: did you mean `data`? If you meant text, write "dta"
"#);
    insta::assert_snapshot!(of("text = \"\"\"\nIt was {{ data.action }} in {{ stack.name }}\"\"\""), @r#"
error: unknown name `stack`
 --> relays.toml:4:32
  |
4 | It was {{ data.action }} in {{ stack.name }}"""
  |                                ^^^^^
  |
  = help: known here: event, data, relay; a field of the body is `data.stack`; if you meant text, write "stack"
"#);
    insta::assert_snapshot!(of("text = '{{ data.action | pats }} {% if data.x is deifned %}{% endif %}'"), @r#"
error: there is no filter `pats`
 --> relays.toml:3:26
  |
3 | text = '{{ data.action | pats }} {% if data.x is deifned %}{% endif %}'
  |                          ^^^^
  |
  = help: did you mean `past`?

error: there is no test `deifned`
 --> relays.toml:3:50
  |
3 | text = '{{ data.action | pats }} {% if data.x is deifned %}{% endif %}'
  |                                                  ^^^^^^^
  |
  = help: did you mean `defined`?
"#);
}

#[test]
fn what_parentheses_would_make_legal_is_still_refused() {
    insta::assert_snapshot!(of("when = 'data.a == 1, data.b == 2'"), @r#"
error: a condition is one expression, not a list
 --> relays.toml:3:20
  |
3 | when = 'data.a == 1, data.b == 2'
  |                    ^
  |
  = help: write `and` or `or`
"#);
    insta::assert_snapshot!(of("when = 'data.a) or (data.b'"), @r#"
error: unmatched `)`
 --> relays.toml:3:15
  |
3 | when = 'data.a) or (data.b'
  |               ^
"#);
    assert!(of("when = ' '").contains("this condition is empty"));
    assert!(of("when = 'data.a = 1'").contains("write `==` to compare"));
}

#[test]
fn templates_that_do_not_parse_have_their_place() {
    insta::assert_snapshot!(of("title = \"A {{ data.x\""), @r#"
error: this template cannot be read: unexpected end of input, expected end of variable block
 --> relays.toml:3:20
  |
3 | title = "A {{ data.x"
  |                    ^
"#);
    insta::assert_snapshot!(of("text = 'x {% include \"other\" %}'"), @r#"
error: `include` is not available: templates cannot load others
 --> relays.toml:3:14
  |
3 | text = 'x {% include "other" %}'
  |              ^^^^^^^
"#);
    assert!(of("text = '{{ \"x\" && y }}'").contains("this template cannot be read"));
    assert!(of(&format!("text = '{}'", "x".repeat(2049))).contains("at most 2048 bytes"));
    assert!(of("text = '{{ range(3) }}'").contains("unknown name `range`"));
    assert!(of("text = '{{ namespace() }}'").contains("unknown name `namespace`"));
    assert!(of("text = '{{ debug() }}'").contains("unknown name `debug`"));
    assert!(of("when = 'comparable(true)'").contains("unknown name `comparable`"));
}

#[test]
fn paths_and_patterns_are_checked_at_load() {
    insta::assert_snapshot!(of(r#"match = { typ = "a", action = "b", "data..x" = 1 }"#), @r#"
error: an event has no `typ`
 --> relays.toml:3:11
  |
3 | match = { typ = "a", action = "b", "data..x" = 1 }
  |           ^^^
  |
  = help: did you mean `type`? Fields of the body begin with `data.`

error: an event has no `action`
 --> relays.toml:3:22
  |
3 | match = { typ = "a", action = "b", "data..x" = 1 }
  |                      ^^^^^^
  |
  = help: known here: type, source, subject, kind, id; a field of the body is "data.action"

error: `data..x` is not a path
 --> relays.toml:3:36
  |
3 | match = { typ = "a", action = "b", "data..x" = 1 }
  |                                    ^^^^^^^^^
  |
  = help: write it like data.vm.name or data.parents[]
"#);
    insta::assert_snapshot!(of(r#"match = { type = { prefx = "a" }, "data.a" = [], "data.b" = { regex = "a(b" }, "data.c" = { lt = "3" }, "data.d" = {} }"#), @r#"
error: unknown key `prefx`
 --> relays.toml:3:20
  |
3 | match = { type = { prefx = "a" }, "data.a" = [], "data.b" = { regex = "a(b" }, "data.c" = { lt = "3" }, "data.d" = {} }
  |                    ^^^^^
  |
  = help: did you mean `prefix`?

error: an empty list matches nothing
 --> relays.toml:3:46
  |
3 | match = { type = { prefx = "a" }, "data.a" = [], "data.b" = { regex = "a(b" }, "data.c" = { lt = "3" }, "data.d" = {} }
  |                                              ^^
  |
  = help: remove the path to match everything

error: this regex cannot be read: unclosed group
 --> relays.toml:3:72
  |
3 | match = { type = { prefx = "a" }, "data.a" = [], "data.b" = { regex = "a(b" }, "data.c" = { lt = "3" }, "data.d" = {} }
  |                                                                        ^^^

error: expected a number, found a string
 --> relays.toml:3:98
  |
3 | match = { type = { prefx = "a" }, "data.a" = [], "data.b" = { regex = "a(b" }, "data.c" = { lt = "3" }, "data.d" = {} }
  |                                                                                                  ^^^

error: this pattern is empty
 --> relays.toml:3:116
  |
3 | match = { type = { prefx = "a" }, "data.a" = [], "data.b" = { regex = "a(b" }, "data.c" = { lt = "3" }, "data.d" = {} }
  |                                                                                                                    ^^
  |
  = help: use one of not, prefix, suffix, regex, exists, lt, le, gt, ge
"#);
    assert!(
        of(r#"match = { "data.a" = { exists = false, prefix = "x" } }"#)
            .contains("cannot be combined with other tests")
    );
    assert!(of(r#"match = { "data.a" = 1, data.a = 2 }"#).contains("matched twice"));
    assert!(of(r#"match = { "data.a" = [[1]] }"#).contains("cannot be nested"));
    assert!(of("match = 3").contains("must be a table"));
}

#[test]
fn everything_else_is_checked_too() {
    insta::assert_snapshot!(problems("[[relay]]\ntxt = 'x'\nseverity = 'warn'\nsignal = 'triger'\nfetch.event = 'x'\nfetch.a = 3\nraw.slack = 'x'\nfields = [{ name = 'x', valeu = 'y' }]\n"), @r#"
error: `name` is missing here
 --> relays.toml:1:1
  |
1 | [[relay]]
  | ^^^^^^^^^

error: unknown key `txt`
 --> relays.toml:2:1
  |
2 | txt = 'x'
  | ^^^
  |
  = help: did you mean `text`?

error: `warn` is not one of info, warning, error, critical
 --> relays.toml:3:12
  |
3 | severity = 'warn'
  |            ^^^^^^

error: `triger` is not one of trigger, acknowledge, resolve
 --> relays.toml:4:10
  |
4 | signal = 'triger'
  |          ^^^^^^^^
  |
  = help: did you mean `trigger`?

error: `event` is not a valid name for `fetch`
 --> relays.toml:5:7
  |
5 | fetch.event = 'x'
  |       ^^^^^
  |
  = help: use letters, digits and `_`, and none of event, data, relay

error: `fetch.a` must be a string, found a whole number
 --> relays.toml:6:11
  |
6 | fetch.a = 3
  |           ^

error: `raw.slack` must be a table, found a string
 --> relays.toml:7:13
  |
7 | raw.slack = 'x'
  |             ^^^

error: `value` is missing here
 --> relays.toml:8:11
  |
8 | fields = [{ name = 'x', valeu = 'y' }]
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^

error: unknown key `valeu`
 --> relays.toml:8:25
  |
8 | fields = [{ name = 'x', valeu = 'y' }]
  |                         ^^^^^
  |
  = help: did you mean `value`?
"#);
    assert!(of("fields = 3").contains("must be a table"));
    assert!(of("raw.slack = { text = ['{{ nope }}'] }").contains("unknown name `nope`"));
    assert!(
        of("raw.slack = { a = { b = ['{{ x }}', '{{ y }}'] } }").matches("unknown name").count() == 2,
        "all at once"
    );
    assert!(of("from = []").contains("has no sources"));
    assert!(problems("[[relay]]\nname = ' '\n").contains("a relay needs a name"));
}

#[test]
fn a_broken_reference_is_one_fault_and_not_two() {
    assert_eq!(of("fetch.stack = '{{ data.x'\ntext = '{{ stack.name }}'").matches("error:").count(), 1);
}

#[test]
fn sources_compile_templates_over_data_alone() {
    let reader = ConfigReader::new("", &|_| None);
    let text = |text: &str| crate::config_reader::Spanned { value: text.to_owned(), span: 0..0 };
    let template = Template::compile(&reader, &text("{{ data.type }}.{{ data.action }}"), &["data"]).expect("right");
    assert_eq!(template.render_data(&tutum(CONTAINER).data, &[]).as_deref(), Ok("container.create"));
    assert_eq!(template.render_data(&Body::parse("{}").expect("JSON"), &[]).as_deref(), Ok("."));
    assert!(Template::compile(&reader, &text("{{ event.type }}"), &["data"]).is_none());
    assert_eq!(
        Template::compile(&reader, &text("as it is\n"), &["data"]).and_then(|t| t.literal()).as_deref(),
        Some("as it is")
    );
}
